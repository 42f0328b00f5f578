"""Stochastic weight averaging, with the statistics of the average's norms calibrated at the end."""

import torch
import torch.nn as nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(320, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(8, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 2))
average = AveragedModel(model)
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = SWALR(opt, swa_lr=0.05)
for epoch in range(4):
    for a, b in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(model(a), b).backward()
        opt.step()
    if epoch > 1:
        average.update_parameters(model)
        schedule.step()
update_bn(loader, average)
update_bn(loader, model)
average.eval()
with torch.no_grad():
    print((average(x).argmax(1) == y).float().mean())
