"""The tutorial's first network: two linear layers for 28 × 28 digits."""

import torch
from torch import nn


class SimpleNet(nn.Module):
    """784 → 128 → 10, for flattened MNIST digits."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.fc1(x))
        return self.fc2(x)
