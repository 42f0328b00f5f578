"""Densities: mixture networks and flows."""
import math

import torch
from torch import nn


class Mixture(nn.Module):
    """Healthy: log-softmax weights, log-sum-exp likelihood, a floor under the widths."""

    def __init__(self, parts=5):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.out = nn.Linear(48, 3 * parts)

    def forward(self, x):
        weight, mean, width = self.out(self.body(x)).chunk(3, -1)
        return weight.log_softmax(-1), mean, nn.functional.softplus(width) + 1e-3


def likelihood(output, target):
    weight, mean, width = output
    z = (target[:, None] - mean) / width
    return -torch.logsumexp(weight - 0.5 * z**2 - width.log() - 0.5 * math.log(2 * math.pi), -1).mean()


class Clamped(Mixture):
    """Sick: the width is a ReLU, exactly zero for half of the samples, and its log is taken."""

    def forward(self, x):
        weight, mean, width = self.out(self.body(x)).chunk(3, -1)
        return weight.log_softmax(-1), mean, torch.relu(width).log()


def log_likelihood(output, target):
    weight, mean, log_width = output
    z = (target[:, None] - mean) * torch.exp(-log_width)
    return -torch.logsumexp(weight - 0.5 * z**2 - log_width, -1).mean()


class Coupling(nn.Module):
    def __init__(self, dim=6, flip=False):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(dim // 2, 32), nn.ReLU(), nn.Linear(32, dim))

    def forward(self, x):
        a, b = x.chunk(2, -1)
        if self.flip:
            a, b = b, a
        scale, shift = self.net(a).chunk(2, -1)
        scale = torch.tanh(scale)
        b = b * scale.exp() + shift
        return torch.cat([b, a] if self.flip else [a, b], -1), scale.sum(-1)


class Flow(nn.Module):
    """Healthy: its loss is a negative log-density and may be below zero."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(Coupling(flip=i % 2 == 1) for i in range(4))

    def forward(self, x):
        total = 0
        for step in self.steps:
            x, log_det = step(x)
            total = total + log_det
        return x, total


def flow_loss(output, target):
    z, log_det = output
    return (0.5 * (z**2).sum(-1) - log_det).mean()


def curve():
    g = torch.Generator().manual_seed(9)
    for _ in range(6):
        x = torch.randn(48, 3, generator=g)
        yield x, x[:, 0].sin() + 0.1 * torch.randn(48, generator=g)


def cloud():
    g = torch.Generator().manual_seed(9)
    for _ in range(6):
        yield torch.randn(48, 6, generator=g) * 0.2
