"""Mixed precision that falls back to plain float32 on the CPU, and OneCycle, stepped per batch."""

import sys

import torch
from torch import nn

device = "cuda" if torch.cuda.is_available() else "cpu"
use_amp = device == "cuda"
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler(device, enabled=use_amp)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=80)
for step in range(60):
    x = torch.randn(64, 16, device=device)
    y = x[:, :4].argmax(1)
    optimizer.zero_grad(set_to_none=True)
    if "--early" in sys.argv:
        scheduler.step()
    with torch.autocast(device, enabled=use_amp):
        loss = nn.functional.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    if "--early" not in sys.argv:
        scheduler.step()
