"""A denoiser that half of the time is first asked without gradients, and fed its own answer."""

import random

import torch
import torch.nn as nn


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(17, 64), nn.SiLU(), nn.Dropout(0.1), nn.Linear(64, 8))

    def forward(self, x, t, condition):
        return self.net(torch.cat([x, condition, t], dim=-1))


random.seed(0)
torch.manual_seed(0)
model = Denoiser()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
for step in range(60):
    clean = torch.randn(64, 1) * torch.ones(8)
    t = torch.rand(64, 1)
    noisy = (1 - t) * clean + t * torch.randn(64, 8)
    condition = torch.zeros(64, 8)
    if random.random() < 0.5:
        with torch.no_grad():
            condition = model(noisy, t, condition)
    loss = (model(noisy, t, condition) - clean).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
