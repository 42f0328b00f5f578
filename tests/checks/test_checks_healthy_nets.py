"""Healthy nets of the kinds that naive detectors flag: nothing loud may be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from probing import classes, inspect, loud, mlp
from torch import Tensor, nn


class ZeroResidual(nn.Module):
    """Residual branches and a head that start at zero: constant output and zero gradients in step 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 48)
        self.up = nn.ModuleList(nn.Linear(48, 96) for _ in range(3))
        self.down = nn.ModuleList(nn.Linear(96, 48) for _ in range(3))
        self.head = nn.Linear(48, 6)
        for layer in (*self.down, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            h = h + down(F.gelu(up(h)))
        return self.head(h)


class LowRankAdapter(nn.Module):
    """A frozen layer with a low-rank correction whose second factor starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(200, 32)
        self.base = nn.Linear(32, 32)
        for parameter in (*self.table.parameters(), *self.base.parameters()):
            parameter.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(4, 32) / math.sqrt(32))
        self.b = nn.Parameter(torch.zeros(32, 4))
        self.head = nn.Linear(32, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.table(tokens).mean(1)
        return self.head(torch.tanh(self.base(h) + h @ self.a.T @ self.b.T))


class SmallDecoder(nn.Module):
    """Pre-norm causal transformer, weights of standard deviation 0.02, a mask of −inf, tied embedding."""

    def __init__(self, vocabulary: int = 60, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.zeros(1, 64, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(5))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.wide = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(2))
        self.narrow = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(2))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        h = self.tokens(ids) + self.places[:, : ids.shape[1]]
        mask = torch.full((ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
        for i in range(2):
            q, k, v = self.qkv[i](self.norms[2 * i](h)).chunk(3, -1)
            scores = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + mask).softmax(-1)
            h = h + self.out[i](scores @ v)
            h = h + self.narrow[i](F.gelu(self.wide[i](self.norms[2 * i + 1](h))))
        return self.head(self.norms[4](h))


class TinyVAE(nn.Module):
    """Samples in training, exponentiates a log-variance, ends in a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(36, 48)
        self.mean = nn.Linear(48, 6)
        self.logvar = nn.Linear(48, 6)
        self.decode = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 36))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.relu(self.encode(x.flatten(1)))
        mean, logvar = self.mean(h), self.logvar(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar) if self.training else mean
        return torch.sigmoid(self.decode(z)).view_as(x), mean, logvar


def elbo(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
    drawn, mean, logvar = output
    divergence = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1).mean()
    return F.binary_cross_entropy(drawn, target, reduction="sum") / len(target) + divergence


class GatedLSTM(nn.Module):
    """Gates that saturate, a squeeze-and-excite factor, a head of small gain."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(5, 24, batch_first=True)
        self.gate = nn.Linear(24, 24)
        self.head = nn.Linear(24, 4)
        nn.init.constant_(self.gate.bias, 6.0)
        nn.init.orthogonal_(self.head.weight, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        h = self.rnn(x)[0][:, -1]
        return self.head(h * torch.sigmoid(self.gate(h)))


class Spectral(nn.Module):
    """A log power spectrum with an epsilon, a masked mean with a clamp, standardised by buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(100.0))
        self.register_buffer("std", torch.tensor(30.0))
        self.net = mlp(33, 48, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.std
        power = torch.fft.rfft(x).abs().pow(2)
        power = power / power.sum(-1, keepdim=True).clamp(min=1e-6)
        return self.net(torch.log(power + 1e-6))


def small_cnn() -> nn.Module:
    """Bottlenecks with ReLU6 and BatchNorm, all of whose weights start where their authors put them."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 32, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32, 4),
    )


def images(count: int = 16) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.rand(count, 1, 6, 6, generator=generator).round(),) * 2 for _ in range(2)]


def raw_clips() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [(100 + 30 * torch.randn(16, 64, generator=generator), torch.arange(16) % 5) for _ in range(2)]


HEALTHY: dict[str, Callable[[], tuple]] = {
    "mlp": lambda: (mlp(20, 64, 64, 10), "4,20", {}),
    "mlp-user": lambda: (
        mlp(20, 64, 64, 4),
        "4,20",
        {"data": classes(32, 20, 4), "loss": "cross_entropy", "optimizer": "sgd:lr=0.05"},
    ),
    "slow-sgd": lambda: (
        mlp(20, 64, 4),
        "4,20",
        {"data": classes(32, 20, 4), "loss": "cross_entropy", "optimizer": "sgd:lr=0.01"},
    ),
    "deep-gelu": lambda: (mlp(20, *[96] * 8, 5, act=nn.GELU), "16,20", {"data": classes(32, 20, 5), "loss": "cross_entropy"}),
    "zero-residual": lambda: (ZeroResidual(), "8,12", {}),
    "zero-residual-user": lambda: (ZeroResidual(), "8,12", {"data": classes(24, 12, 6), "loss": "cross_entropy"}),
    "low-rank-adapter": lambda: (LowRankAdapter(), "16,10:int64[0,200)", {}),
    "decoder": lambda: (
        SmallDecoder(),
        "8,16:int64[0,60)",
        {
            "loss": lambda out, y: F.cross_entropy(out.flatten(0, 1), y.flatten()),
            "data": [(t := torch.randint(0, 60, (8, 16)), t)],
        },
    ),
    "vae": lambda: (TinyVAE(), "16,1,6,6", {"data": images(), "loss": elbo}),
    "lstm": lambda: (GatedLSTM(), "16,20,5", {}),
    "spectral": lambda: (Spectral(), "16,64", {"data": raw_clips(), "loss": "cross_entropy"}),
    "cnn": lambda: (small_cnn(), "8,3,16,16", {}),
    "batch-norm-on-raw": lambda: (
        nn.Sequential(nn.BatchNorm1d(12), mlp(12, 32, 3)),
        "16,12",
        {"data": [(1000 + 300 * x, y) for x, y in classes(24, 12, 3)], "loss": "cross_entropy"},
    ),
    "log-softmax": lambda: (
        nn.Sequential(mlp(12, 32, 3), nn.LogSoftmax(1)),
        "8,12",
        {"data": classes(24, 12, 3), "loss": "nll_loss"},
    ),
    "regression": lambda: (
        mlp(12, 32, 1),
        "8,12",
        {"data": [(x, x[:, :2].sum(1, keepdim=True)) for x, _ in classes(32, 12, 3)], "loss": "mse_loss"},
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_net_stays_quiet(name: str) -> None:
    torch.manual_seed(0)
    model, shape, options = HEALTHY[name]()
    report = inspect(model, shape, **options)
    assert [f"{each.check} {each.module}: {each.message}" for each in loud(report).values()] == []
    assert [f"{stage.name}: {stage.error}" for stage in report.stages if stage.state == "failed"] == []
    assert [outcome.check for outcome in report.outcomes if outcome.state == "failed"] == []
