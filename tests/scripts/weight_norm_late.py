"""weight_norm is put on after the optimizer was made: the old weight is the optimizer's, the new ones are nobody's."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
net[0] = nn.Linear(10, 32)
weight_norm(net[2])
for _ in range(40):
    x = torch.randn(64, 10)
    loss = (net(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
