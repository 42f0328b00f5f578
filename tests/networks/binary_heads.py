"""Binary classifiers of tabular rows, and the ways in which their last layer and loss do not fit."""
import torch
from torch import nn


def trunk():
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())


class Logit(nn.Module):
    """Healthy with bce_with_logits."""

    def __init__(self):
        super().__init__()
        self.trunk, self.score = trunk(), nn.Linear(32, 1)

    def forward(self, x):
        return self.score(self.trunk(x)).squeeze(-1)


class Probability(Logit):
    """Healthy with bce, sick with bce_with_logits: the sigmoid is applied twice."""

    def forward(self, x):
        return torch.sigmoid(super().forward(x))


class SoftmaxOfOne(Logit):
    """Sick: a softmax over one column is the constant one."""

    def forward(self, x):
        return torch.softmax(self.score(self.trunk(x)), dim=1).squeeze(-1)


class OneColumn(Logit):
    """Sick with cross_entropy: over a single class it is always zero."""

    def forward(self, x):
        return self.score(self.trunk(x))


class TwoColumns(nn.Module):
    """Healthy with cross_entropy."""

    def __init__(self):
        super().__init__()
        self.trunk, self.score = trunk(), nn.Linear(32, 2)

    def forward(self, x):
        return self.score(self.trunk(x))


class SoftmaxForNll(TwoColumns):
    """Sick with nll_loss: probabilities where log-probabilities are meant."""

    def forward(self, x):
        return super().forward(x).softmax(-1)


class LogSoftmaxForNll(TwoColumns):
    """Healthy with nll_loss."""

    def forward(self, x):
        return super().forward(x).log_softmax(-1)


def rows(dtype, column=False):
    g = torch.Generator().manual_seed(3)
    for _ in range(8):
        x = torch.randn(48, 12, generator=g)
        y = (x[:, 0] + 0.5 * x[:, 1] > 0).to(dtype)
        yield x, y[:, None] if column else y


def floats():
    return rows(torch.float32)


def indices():
    return rows(torch.int64)


def zeros():
    for x, y in rows(torch.int64):
        yield x, torch.zeros_like(y)
