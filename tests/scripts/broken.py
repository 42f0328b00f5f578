"""Ends in an exception of its own."""

import sys

import torch

model = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = {}
for step in range(12):
    loss = model(torch.randn(8, 4 if step < 10 or "--shape" not in sys.argv else 5)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 10:
        print(history["loss"])
