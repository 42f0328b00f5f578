"""Monte-Carlo dropout: in evaluation only the dropout modules are put back to work."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.rand(400, 3)
y = (x.prod(1, keepdim=True) * 8).sin()
train = DataLoader(TensorDataset(x[:300], y[:300]), 30, shuffle=True)
test = DataLoader(TensorDataset(x[300:], y[300:]), 50)
net = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), 2e-3)
for epoch in range(4):
    net.train()
    for a, b in train:
        opt.zero_grad()
        nn.functional.mse_loss(net(a), b).backward()
        opt.step()
    net.eval()
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.train()
    with torch.no_grad():
        for a, b in test:
            draws = torch.stack([net(a) for _ in range(8)])
            print(draws.std(0).mean().item())
