"""Small slips that each break one thing."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class NoSuper(nn.Module):
    """Sick: nn.Module is never initialised."""

    def __init__(self):
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(x)


class InPlace(nn.Module):
    """Sick: the sigmoid's output is changed in place, and backward needs it."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x):
        h = torch.sigmoid(self.a(x))
        h += 1
        return self.b(h)


class LooseScale(nn.Module):
    """Sick: the scale wants a gradient and is no parameter."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)
        self.scale = torch.ones(16, requires_grad=True)

    def forward(self, x):
        return self.b(F.gelu(self.a(x)) * self.scale)


class Numpy(nn.Module):
    """Sick: the trip through NumPy cuts the gradient."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x):
        h = torch.from_numpy(np.tanh(self.a(x).detach().numpy()))
        return self.b(h)


class Hoarder(nn.Module):
    """Sick: keeps every activation it ever made."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)
        self.seen = []

    def forward(self, x):
        h = F.relu(self.a(x))
        self.seen.append(h)
        return self.b(h)


class Direct(nn.Module):
    """Sick: calls forward of its layers, past every hook."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.b.forward(F.relu(self.a.forward(x)))


class Flat(nn.Module):
    """Sick: three linear maps with nothing between them are one."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 64), nn.Linear(64, 32))
        self.decode = nn.Linear(32, 3)

    def forward(self, x):
        return self.decode(torch.relu(self.encode(x)))


class Distance(nn.Module):
    """Sick: the root of a squared distance that is exactly zero has an infinite slope."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Linear(8, 16), nn.Linear(4, 3)

    def forward(self, x):
        h = self.embed(x).view(-1, 4, 4)
        anchor = h[:, :1]
        return self.out(((h - anchor) ** 2).sum(-1).sqrt())


class DistanceSafe(Distance):
    """Healthy: an epsilon under the root."""

    def forward(self, x):
        h = self.embed(x).view(-1, 4, 4)
        return self.out((((h - h[:, :1]) ** 2).sum(-1) + 1e-8).sqrt())


class Fine(nn.Module):
    """Healthy: dropout as an option, a constant table, a buffer."""

    def __init__(self, drop=0.3):
        super().__init__()
        self.drop = drop
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 3)
        self.register_buffer("shift", torch.linspace(-1, 1, 8))

    def forward(self, x):
        return self.b(F.dropout(F.relu(self.a(x + self.shift)), self.drop, self.training))


def labelled():
    g = torch.Generator().manual_seed(11)
    for _ in range(6):
        x = torch.randn(32, 8, generator=g)
        yield x, x[:, :3].argmax(-1)


def float_labels():
    for x, y in labelled():
        yield x, y.float()


def slow(parameters):
    return torch.optim.SGD(parameters, lr=1e-7)


def steady(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
