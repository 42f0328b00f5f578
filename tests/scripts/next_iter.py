"""`next(iter(loader))` in every step, without shuffling: always the first batch."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(512, 10)
y = x.sum(1, keepdim=True)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle="--shuffle" in sys.argv)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optim = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(60):
    inputs, target = next(iter(loader))
    optim.zero_grad()
    nn.MSELoss()(net(inputs), target).backward()
    optim.step()
