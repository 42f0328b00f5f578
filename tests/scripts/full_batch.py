"""Everything in one tensor: no loader, no batches, an update by hand or by Adam."""

import sys

import torch

torch.manual_seed(0)
X = torch.randn(200, 5)
Y = (X @ torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])).unsqueeze(1) + 0.1 * torch.randn(200, 1)
model = torch.nn.Linear(5, 1)
if "--by-hand" in sys.argv:
    opt = torch.optim.SGD(model.parameters(), lr=0.1)  # only for zero_grad
else:
    opt = torch.optim.Adam(model.parameters(), lr=0.05)
for t in range(60):
    loss = torch.nn.functional.mse_loss(model(X), Y)
    opt.zero_grad()
    loss.backward()
    if "--by-hand" in sys.argv:
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
    else:
        opt.step()
