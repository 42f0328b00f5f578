"""The first thing that everybody writes; `--forget LINE` leaves out one of its lines."""

import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

forget = sys.argv[1:]
torch.manual_seed(1)
x = torch.randn(640, 20)
y = (x[:, :4].sum(dim=1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(2):
    running = 0.0
    for inputs, labels in loader:
        if "zero_grad" not in forget:
            optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        if "backward" not in forget:
            loss.backward()
        if "step" not in forget:
            optimizer.step()
        running += loss if "item" in forget else loss.item()
    print(f"epoch {epoch}: {running / len(loader):.3f}")
