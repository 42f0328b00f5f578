"""A frozen network in eval mode scores what another one makes; an attack makes its own optimizer for an input."""

import torch
import torch.nn as nn

torch.manual_seed(0)
critic = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)).eval()
net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(40):
    clean = torch.randn(8, 1, 12, 12).cumsum(-1) / 3
    output = net(clean + 0.3 * torch.randn_like(clean))
    loss = (critic(output) - critic(clean)).abs().mean() + (output - clean).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
