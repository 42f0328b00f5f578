"""Discrete codes inside a network, learnt by the straight-through estimator."""
import torch
from torch import nn


class VectorQuantised(nn.Module):
    """Healthy: detach is the point of it."""

    def __init__(self, codes=32, dim=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, dim))
        self.codebook = nn.Embedding(codes, dim)
        self.decoder = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 20))

    def forward(self, x):
        z = self.encoder(x)
        index = torch.cdist(z, self.codebook.weight).argmin(-1)
        q = self.codebook(index)
        return self.decoder(z + (q - z).detach()), z, q


def objective(output, target):
    decoded, z, q = output
    return ((decoded - target) ** 2).mean() + ((q - z.detach()) ** 2).mean() + 0.25 * ((z - q.detach()) ** 2).mean()


class SignNet(nn.Module):
    """Sick: the sign of the hidden layer has zero gradient everywhere."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 64)
        self.second = nn.Linear(64, 3)

    def forward(self, x):
        return self.second(torch.sign(self.first(x)))


def vectors():
    g = torch.Generator().manual_seed(8)
    for _ in range(6):
        x = torch.randn(32, 20, generator=g)
        yield x, x
