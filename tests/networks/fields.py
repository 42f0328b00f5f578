"""Networks as functions of coordinates."""
import math

import torch
from torch import nn


class Sine(nn.Module):
    def __init__(self, fan_in, fan_out, first=False):
        super().__init__()
        self.linear = nn.Linear(fan_in, fan_out)
        bound = 1 / fan_in if first else math.sqrt(6 / fan_in) / 30
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(30 * self.linear(x))


class Siren(nn.Module):
    """Healthy: sine activations with their own initialisation."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(Sine(2, 64, True), Sine(64, 64), Sine(64, 64), nn.Linear(64, 1))

    def forward(self, xy):
        return self.net(xy)


class Physics(nn.Module):
    """Healthy: the derivative of the solution is taken inside forward."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, t):
        with torch.enable_grad():
            t = t if t.requires_grad else t.detach().requires_grad_(True)
            u = self.net(t)
            (slope,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        return u, slope


def decay(output, target):
    u, slope = output
    return ((slope + u) ** 2).mean() + ((u - target) ** 2).mean()


def times():
    t = torch.linspace(0, 2, 32)[:, None]
    for _ in range(4):
        yield t, torch.exp(-t)


def picture():
    g = torch.Generator().manual_seed(6)
    for _ in range(6):
        xy = torch.rand(64, 2, generator=g) * 2 - 1
        yield xy, torch.sin(5 * xy[:, :1]) * xy[:, 1:]


class TwentyTanh(nn.Module):
    """Sick: twenty tanh layers with weights drawn far too small."""

    def __init__(self):
        super().__init__()
        layers = [nn.Linear(2, 48), nn.Tanh()]
        for _ in range(20):
            layers += [nn.Linear(48, 48), nn.Tanh()]
        self.net = nn.Sequential(*layers, nn.Linear(48, 1))
        for module in self.net:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, xy):
        return self.net(xy)
