"""Gradients of four small batches make one step."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(12, 48), nn.Tanh(), nn.Linear(48, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
w = torch.randn(12, 1)
every = 4
opt.zero_grad()
for i in range(120):
    x = torch.randn(16, 12)
    y = x @ w
    loss = nn.functional.mse_loss(net(x), y) / every
    loss.backward()
    if (i + 1) % every == 0:
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        opt.zero_grad()
