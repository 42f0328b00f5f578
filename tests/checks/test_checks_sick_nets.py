"""Sick nets end to end: the fault is named, at its place, and one cause is one finding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from probing import classes, inspect, loud, mlp
from torch import Tensor, nn


class Shared(nn.Module):
    """Layers named one and two, a head; ``forward`` from outside."""

    def __init__(self, forward: Callable, outputs: int = 4) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(12, 48), nn.Linear(48, 48), nn.Linear(48, outputs)
        self.way = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


def constant() -> nn.Module:
    model = mlp(12, 32, 32, 4)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.weight, 0.05)
    return model


def dead() -> nn.Module:
    model = mlp(12, 48, 48, 4)
    nn.init.constant_(model[2].bias, -12.0)
    return model


def wild() -> nn.Module:
    model = mlp(12, 200, 200, 4, act=nn.Tanh)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
    return model


def detached(self: Shared, x: Tensor) -> Tensor:
    return self.head(torch.relu(self.two(torch.relu(self.one(x)).detach())))


def dead_log(self: Shared, x: Tensor) -> Tensor:
    return self.head(torch.log(torch.relu(self.one(x))))


def log_of_probabilities(self: Shared, x: Tensor) -> Tensor:
    return torch.log(torch.softmax(self.head(torch.relu(self.one(x))), 1))


def root(self: Shared, x: Tensor) -> Tensor:
    return self.head(torch.sqrt(torch.relu(self.one(x))))


DATA = classes(32, 12, 4)
REGRESSION = [(x, x[:, 0]) for x, _ in DATA]
USER = {"data": DATA, "loss": "cross_entropy"}

SICK: dict[str, tuple[Callable[[], nn.Module], dict, str, str | None]] = {
    "constant": (constant, USER, "constant-init", "0"),
    "dead": (dead, USER, "dead-relu", "3"),
    "dead-synthetic": (dead, {}, "dead-relu", "3"),
    "normal": (wild, {}, "large-init", "2"),
    "sigmoids": (lambda: mlp(12, *[32] * 10, 4, act=nn.Sigmoid), USER, "vanishing-gradient", "0"),
    "detached": (lambda: Shared(detached), USER, "no-gradient", "one"),
    "softmax": (lambda: nn.Sequential(mlp(12, 32, 4), nn.Softmax(1)), USER, "softmax-with-cross-entropy", "1"),
    "sigmoid-ce": (lambda: nn.Sequential(mlp(12, 32, 4), nn.Sigmoid()), USER, "softmax-with-cross-entropy", "1"),
    "twice": (
        lambda: nn.Sequential(mlp(12, 32, 1), nn.Sigmoid()),
        {"data": [(x, (y > 1).float()[:, None]) for x, y in DATA], "loss": "bce_with_logits"},
        "sigmoid-with-bce-logits",
        "1",
    ),
    "logits-bce": (
        lambda: mlp(12, 32, 1),
        {"data": [(x, (y > 1).float()[:, None]) for x, y in DATA], "loss": "bce"},
        "logits-with-bce",
        None,
    ),
    "softmax-nll": (
        lambda: nn.Sequential(mlp(12, 32, 4), nn.Softmax(1)),
        {"data": DATA, "loss": "nll_loss"},
        "probabilities-with-nll",
        "1",
    ),
    "broadcast": (lambda: mlp(12, 32, 1), {"data": REGRESSION, "loss": "mse_loss"}, "loss-broadcast", None),
    "labels-from-one": (
        lambda: mlp(12, 32, 4),
        {"data": [(x, y + 1) for x, y in DATA], "loss": "cross_entropy"},
        "label-range",
        None,
    ),
    "signs": (
        lambda: mlp(12, 32, 1),
        {"data": [(x, (y > 1).float()[:, None] * 2 - 1) for x, y in DATA], "loss": "bce_with_logits"},
        "label-range",
        None,
    ),
    "float-labels": (
        lambda: mlp(12, 32, 4),
        {"data": [(x, y.float()) for x, y in DATA], "loss": "cross_entropy"},
        "label-dtype",
        None,
    ),
    "one-class": (
        lambda: mlp(12, 32, 1),
        {"data": [(x, y * 0) for x, y in DATA], "loss": "cross_entropy"},
        "single-logit-cross-entropy",
        None,
    ),
    "raw": (
        lambda: mlp(12, 32, 4),
        {"data": [(400 + 90 * x, y) for x, y in DATA], "loss": "cross_entropy"},
        "unnormalised-input",
        "0",
    ),
    "too-fast": (
        lambda: mlp(12, 32, 1),
        {"data": [(x, x[:, :1]) for x, _ in DATA], "loss": "mse_loss", "optimizer": "sgd:lr=5"},
        "learning-rate-high",
        None,
    ),
    "too-slow": (lambda: mlp(12, 32, 4), USER | {"optimizer": "sgd:lr=2e-5"}, "learning-rate-low", None),
    "log-of-relu": (lambda: Shared(dead_log), USER, "unstable-op", ""),
    "root-of-relu": (lambda: Shared(root), USER, "unstable-op", ""),
    "log-of-softmax": (lambda: Shared(log_of_probabilities), {"data": DATA, "loss": "nll_loss"}, "log-of-softmax", ""),
    "doubles": (
        lambda: nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4), Scale()),
        {"probe": False},
        "mixed-dtypes",
        "3",
    ),
    "cannot": (
        lambda: Shared(lambda self, x: self.head(torch.relu(self.two(torch.relu(self.one(x * 0)))))),
        USER,
        "cannot-overfit",
        None,
    ),
}


class Scale(nn.Module):
    """A learned scale made from a float64 number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


@pytest.mark.parametrize("name", SICK)
def test_the_fault_is_named(name: str) -> None:
    make, options, slug, module = SICK[name]
    torch.manual_seed(0)
    report = inspect(make(), "8,12", **options)
    found = loud(report)
    assert slug in found, [f"{each.check}: {each.message}" for each in report.findings]
    finding = found[slug]
    if module is not None:
        assert finding.module == module
    assert finding.evidence
    assert finding.fix
    assert finding.why
    assert [outcome.check for outcome in report.outcomes if outcome.state == "failed"] == []


def test_one_cause_is_one_finding() -> None:
    """A dead layer cuts the net: what starves above it and repeats below it are lines of the one finding."""
    torch.manual_seed(0)
    report = inspect(dead(), "8,12", select=(), **USER)
    errors = [each for each in report.findings if each.severity == "error"]
    assert [each.check for each in errors] == ["dead-relu"]
    told = {line.partition(":")[0] for line in errors[0].consequences}
    assert "no-gradient" in told
    assert told & {"cannot-overfit", "constant-output"}


def test_severity_is_lower_where_the_data_are_made_up() -> None:
    torch.manual_seed(0)
    sigmoids = mlp(12, *[32] * 10, 4, act=nn.Sigmoid)
    own, made_up = (loud(inspect(sigmoids, "8,12", select=["vanishing-gradient"], **options)) for options in (USER, {}))
    assert own["vanishing-gradient"].severity == "error"
    assert made_up["vanishing-gradient"].severity == "warning"
    assert "synthetic data" in made_up["vanishing-gradient"].message


def test_a_rate_too_low_to_move_the_weights_says_nothing_about_the_net() -> None:
    torch.manual_seed(0)
    report = inspect(mlp(12, 32, 4), "8,12", data=DATA, loss="cross_entropy", optimizer="sgd:lr=1e-8")
    assert "cannot-overfit" not in loud(report)
    assert "update-too-small" in loud(report)


def test_an_inferred_loss_makes_softmax_at_most_a_note() -> None:
    model = nn.Sequential(mlp(12, 32, 4), nn.Softmax(1))
    assert "softmax-with-cross-entropy" not in loud(inspect(model, "8,12"))


def test_a_custom_loss_is_looked_through() -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=0.0)

    model = nn.Sequential(mlp(12, 32, 4), nn.Softmax(1))
    assert "softmax-with-cross-entropy" in loud(inspect(model, "8,12", data=DATA, loss=loss))
