"""Pretraining with one optimizer, then a new head and another optimizer."""

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.body(x))


model = Net()
pre = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(25):
    x = torch.randn(32, 10)
    pre.zero_grad()
    nn.functional.mse_loss(model(x), x).backward()
    pre.step()
model.head = nn.Linear(32, 2)
fine = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(25):
    x = torch.randn(32, 10)
    fine.zero_grad()
    nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
    fine.step()
