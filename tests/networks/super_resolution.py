"""Sub-pixel super-resolution: the network predicts the residual to add to a bicubic enlargement."""
import torch
from torch import nn


class ResidualSR(nn.Module):
    """Healthy: pixel shuffle, signed residual at the output."""

    def __init__(self, width=24, scale=2):
        super().__init__()
        self.head = nn.Conv2d(1, width, 5, padding=2)
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU(), nn.Conv2d(width, width, 3, padding=1), nn.PReLU())
        self.tail = nn.Sequential(nn.Conv2d(width, scale * scale, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, low):
        h = torch.relu(self.head(low))
        return self.tail(h + self.body(h))


class ClippedSR(ResidualSR):
    """Sick: the residual is signed, and a ReLU at the end cuts its negative half."""

    def forward(self, low):
        return torch.relu(super().forward(low))


def patches():
    g = torch.Generator().manual_seed(1)
    for _ in range(6):
        high = torch.randn(16, 1, 24, 24, generator=g).cumsum(-1).cumsum(-2) / 40
        low = nn.functional.avg_pool2d(high, 2)
        yield low, high - nn.functional.interpolate(low, scale_factor=2)
