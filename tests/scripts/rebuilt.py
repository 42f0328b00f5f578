"""The model is made anew after its optimizer."""

import sys

import torch
import torch.nn as nn


def build():
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))


torch.manual_seed(0)
model = build()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
if "--after" in sys.argv:
    model = build()  # "start from scratch"
for fold in range(2):
    if "--folds" in sys.argv:
        model = build()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(20):
        x = torch.randn(32, 8)
        y = x[:, :3].argmax(1)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
