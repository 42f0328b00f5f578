"""A trainer with hooks and ReduceLROnPlateau, as a course teaches it."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


class Trainer:
    def __init__(self, model, train_loader, val_loader):
        self.model, self.train_loader, self.val_loader = model, train_loader, val_loader
        self.loss_fn = nn.SmoothL1Loss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, patience=1)

    def run_epoch(self, loader, training):
        self.model.train(training)
        total = 0.0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                loss = self.loss_fn(self.model(x), y)
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
                total += loss.item() * len(x)
        return total / len(loader.dataset)

    def fit(self, epochs):
        self.scheduler.step(self.run_epoch(self.val_loader, False))
        for _ in range(epochs):
            self.run_epoch(self.train_loader, True)
            self.scheduler.step(self.run_epoch(self.val_loader, False))


torch.manual_seed(0)
x = torch.randn(500, 6)
data = TensorDataset(x, x[:, 0] + x[:, 1] * x[:, 2])
train, val = random_split(data, [400, 100])
Trainer(Regressor(), DataLoader(train, 32, shuffle=True), DataLoader(val, 100)).fit(8)
