"""Representation learning: a slow target network, and contrastive pairs."""
import copy

import torch
import torch.nn.functional as F
from torch import nn


def encoder():
    return nn.Sequential(nn.Linear(30, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))


class Bootstrap(nn.Module):
    """Healthy: the target network is a frozen copy, read under no_grad."""

    def __init__(self):
        super().__init__()
        self.online = encoder()
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictor = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, a, b):
        with torch.no_grad():
            goal = F.normalize(self.target(b), dim=-1)
        return 2 - 2 * (F.normalize(self.predictor(self.online(a)), dim=-1) * goal).sum(-1)


def distance(output, target):
    return output.mean()


class Contrastive(nn.Module):
    """Healthy: the table of similarities compares each with all others, on purpose."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(30, 16), nn.Linear(20, 16)
        self.temperature = nn.Parameter(torch.tensor(2.0))

    def forward(self, a, b):
        return F.normalize(self.left(a), dim=-1) @ F.normalize(self.right(b), dim=-1).T * self.temperature.exp()


def info_nce(output, target):
    index = torch.arange(output.shape[0], device=output.device)
    return (F.cross_entropy(output, index) + F.cross_entropy(output.T, index)) / 2


class Siamese(nn.Module):
    """Healthy: one trunk, batch norm and all, reads both images."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(16, 1)

    def forward(self, first, second):
        return self.head((self.trunk(first) - self.trunk(second)).abs()).squeeze(-1)


class OneEyed(Siamese):
    """Sick: the second image is never looked at."""

    def forward(self, first, second):
        return self.head((self.trunk(first) - self.trunk(first).mean()).abs()).squeeze(-1)


def pairs():
    g = torch.Generator().manual_seed(4)
    for _ in range(6):
        a, b = torch.randn(16, 1, 16, 16, generator=g), torch.randn(16, 1, 16, 16, generator=g)
        yield (a, b), (a.mean((1, 2, 3)) > b.mean((1, 2, 3))).float()
