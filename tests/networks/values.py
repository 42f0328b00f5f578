"""Value networks of reinforcement learning."""
import torch
from torch import nn


class Dueling(nn.Module):
    """Healthy: the mean of the advantages is taken off."""

    def __init__(self, state=10, actions=4):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(state, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.value = nn.Linear(64, 1)
        self.advantage = nn.Linear(64, actions)

    def forward(self, state):
        h = self.encode(state)
        advantage = self.advantage(h)
        return self.value(h) + advantage - advantage.mean(dim=1, keepdim=True)


class Severed(Dueling):
    """Sick: both heads read detached features, the encoder never learns."""

    def forward(self, state):
        h = self.encode(state).detach()
        return self.value(h) + self.advantage(h)


class Gaussian(nn.Module):
    """Healthy: a policy that returns a distribution."""

    def __init__(self, state=10, actions=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(state, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.mean = nn.Linear(64, actions)
        nn.init.orthogonal_(self.mean.weight, 0.01)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, state):
        return torch.distributions.Normal(self.mean(self.body(state)), self.log_std.exp())


class Codes(nn.Module):
    """Sick: the choice by argmax lets no gradient through to the scorer."""

    def __init__(self):
        super().__init__()
        self.scorer = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 8))
        self.table = nn.Embedding(8, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, state):
        return self.head(self.table(self.scorer(state).argmax(-1)))


def returns():
    g = torch.Generator().manual_seed(2)
    w = torch.randn(10, 4, generator=g)
    for _ in range(6):
        s = torch.randn(32, 10, generator=g)
        yield s, s @ w / 3
