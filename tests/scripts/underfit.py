"""Inputs and labels were shuffled apart from each other."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(4000, 10)
y = x[:, :4].argmax(1)
if "--apart" in sys.argv:
    y = y[torch.randperm(len(y))]
net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(x, y), 32, shuffle=True):
        opt.zero_grad()
        nn.functional.cross_entropy(net(a), b).backward()
        opt.step()
