"""Twenty-four noisy samples and a wide net, trained far too long; or regularised and stopped early."""

import sys

import torch
from torch import nn

torch.manual_seed(0)
healthy = "--enough-data" in sys.argv
count = 2000 if healthy else 40
truth = torch.randn(20, 1)
x, xv = torch.randn(count, 20), torch.randn(400, 20)
y, yv = ((v @ truth).squeeze(1) + 2 * torch.randn(len(v)) > 0 for v in (x, xv))
net = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 2))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(12 if healthy else 24):
    net.train()
    for part in torch.randperm(count)[:160].repeat(4 if not healthy else 1).split(16):
        loss = nn.functional.cross_entropy(net(x[part]), y[part].long())
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        print(epoch, nn.functional.cross_entropy(net(xv), yv.long()).item())
