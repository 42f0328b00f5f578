"""Statistics of activations, gradients and updates against plain sums, and dead units."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from probe_helpers import Batches, Classifier, noise, probe_of, task_of, tokens
from torch import Tensor, nn

from nnreport.facts import Graph, Node
from nnreport.inspector.training.activations import function_kind
from nnreport.inspector.training.dead import count_dead, mark_gates
from nnreport.inspector.training.observe import ELEMENTS, ActivationObserver, observed_steps, statistics, thin
from nnreport.inspector.training.updates import ParameterObserver
from nnreport.inspector.training.watch import Key
from nnreport.inspector.weighing.statistics import range_of, sample


def test_observed_steps() -> None:
    assert observed_steps(0) == []
    assert observed_steps(1) == [0]
    assert observed_steps(5) == [0, 1, 2, 3, 4]
    for steps in (12, 30, 100):
        chosen = observed_steps(steps)
        assert chosen[:3] == [0, 1, 2]
        assert chosen[-1] == steps - 1
        assert len(chosen) == 11


@pytest.mark.parametrize("shape", [(16, 3, 64, 64), (16, 50, 33), (4, 100_000), (1000,), (7, 7), (64, 2048), (2, 2, 5, 5, 5)])
def test_thin_takes_few_and_reaches_all_parts(shape: tuple[int, ...]) -> None:
    rows = len(shape) > 1
    where = thin(shape, rows)
    view = torch.arange(torch.Size(shape).numel()).reshape(shape)[where]
    assert view.numel() <= max(ELEMENTS, min(shape[0], 32))
    assert view.numel() >= min(torch.Size(shape).numel(), ELEMENTS) / 8
    assert len(view.flatten().unique()) == view.numel()


def test_statistics_are_those_of_torch() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 8, 20).relu()
    for row, (deviation, mean, largest, zeros, spread) in zip(x, statistics(x, True), strict=True):
        assert deviation == pytest.approx(float(row.std(correction=0)), rel=1e-5)
        assert mean == pytest.approx(float(row.mean()), rel=1e-5)
        assert largest == float(row.abs().max())
        assert zeros == pytest.approx(float((row == 0).float().mean()))
        assert spread == pytest.approx(float((row.var(0, correction=0).mean() / row.pow(2).mean()).sqrt()), rel=1e-5)


def test_spread_sees_differences_near_float_eps() -> None:
    """Samples that differ by 1e-5 of the value: a formula of sums of squares would say 0."""
    torch.manual_seed(0)
    x = 3.0 + torch.randn(1, 16, 64) * 3e-5
    assert statistics(x, True)[0][4] == pytest.approx(1e-5, rel=0.1)
    assert statistics(torch.full((1, 16, 64), 3.0), True)[0][4] == 0.0


def test_range_and_sample() -> None:
    x = torch.tensor([1.0, float("nan"), -2.0, 0.0, float("inf")])
    found = range_of(x)
    assert found is not None
    assert (found.minimum, found.maximum, found.nan, found.inf, found.count) == (-2.0, 1.0, 1, 1, 5)
    assert found.zeros == pytest.approx(1 / 3)
    huge = range_of(torch.tensor([3e38, -3e38]))
    assert huge is not None
    assert huge.std == pytest.approx(3e38, rel=1e-6)
    assert range_of(torch.empty(0)) is None
    assert range_of(torch.ones(2, dtype=torch.complex64)) is None
    columns = torch.arange(4).repeat(5000, 1)
    assert len(sample(columns).unique()) == 4, "the stride does not see one column alone"


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.act(self.conv(x)).mean((2, 3)))
        return self.head(torch.tanh(y) * y.sigmoid())


def test_series_of_modules_and_functions_in_order() -> None:
    model = Mixed()
    observer = ActivationObserver(model, 8)
    x = torch.randn(8, 3, 6, 6)
    for _ in range(2):
        with observer.watch:
            model(x)
        observer.end_step()
    names = [(s.module, s.node, s.kind) for s in observer.series.values()]
    assert names == [
        ("conv", "", "Conv2d"),
        ("act", "", "ReLU"),
        ("", "gelu", "GELU"),
        ("", "tanh", "Tanh"),
        ("", "sigmoid", "Sigmoid"),
        ("head", "", "Linear"),
    ]
    series = list(observer.series.values())
    assert all(len(s.std) == 2 and s.std[0] == s.std[1] for s in series)
    assert float(series[0].mean[0]) == pytest.approx(float(model.conv(x).detach().mean()), abs=1e-5), (
        "not what the in-place ReLU made of it"
    )
    assert series[2].location is not None
    assert series[2].location.text.startswith("y = F.gelu")
    assert len(series[3].rails) == 2
    assert not series[0].rails
    assert not model._forward_hooks
    assert not any(m._forward_hooks for m in model.modules())


def test_calls_of_one_module_are_told_apart() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(8, 8), nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.fc(self.act(self.fc(x)) * 100))

    model = Shared()
    observer = ActivationObserver(model, 8)
    with observer.watch:
        model(torch.randn(8, 8))
    observer.end_step()
    tanh = [s for s in observer.series.values() if s.kind == "Tanh"]
    assert [s.nth for s in tanh] == [0, 1]
    assert tanh[0].rails[0] < 0.05
    assert tanh[1].rails[0] > 0.8


def test_gradients_and_updates_are_those_of_the_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 2))
    model.append(nn.Linear(2, 2))
    model[3].bias.requires_grad_(False)
    observer = ParameterObserver(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    model[:3](torch.randn(8, 20)).pow(2).sum().backward()
    norm = observer.norm()
    observer.before()
    old = model[0].weight.detach().clone()
    optimizer.step()
    observer.after()
    gradient = model[0].weight.grad
    assert gradient is not None
    assert norm == pytest.approx(
        float(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()), rel=1e-5
    )
    first = observer.series[0]
    assert first.gradient[0] == pytest.approx(float(gradient.pow(2).mean().sqrt()), rel=1e-5)
    assert first.update[0] == pytest.approx(float(0.5 * gradient.norm() / old.norm()), rel=1e-4)
    assert [s.name for s in observer.series] == ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight"]
    assert observer.series[4].none_steps == 1
    assert observer.series[4].steps == 1


def test_large_embedding_is_sampled_where_it_moves() -> None:
    probe, _ = probe_of(
        nn.Sequential(nn.Embedding(20_000, 8), nn.Flatten(), nn.Linear(32, 3)), tokens(50, 8, 4), steps=3, loss="cross_entropy"
    )
    series = probe.parameters[0]
    assert all(float(u) > 1e-4 for u in series.update)
    assert series.zero_steps == 0


def test_zero_gradients_are_counted() -> None:
    model = Classifier()
    nn.init.constant_(model.first.bias, -100.0)
    probe, _ = probe_of(model, noise(16, 20), steps=5)
    first = probe.parameters[0]
    assert first.zero_steps == first.steps == 5
    assert first.none_steps == 0


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(3, 8, 3), nn.Conv1d(8, 4, 3), nn.Linear(4, 6)
        nn.init.zeros_(self.conv1.weight)
        self.conv1.bias = nn.Parameter(torch.tensor([1.0, -1, 1, -1, 1, 1, 1, 1]))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x))
        y = self.conv2(y.flatten(2)).clamp(min=0)
        return self.head(y.transpose(1, 2)).relu()


def test_dead_units_are_channels() -> None:
    model = Convolutions()
    task = task_of(model, noise(4, 3, 8, 8))
    tally = count_dead(model, task, 4)
    assert [(key.node, len(alive)) for key, alive in tally.alive.items()] == [("relu", 8), ("clamp", 4), ("relu", 6)]
    assert tally.alive[Key("", "relu", 0)].tolist() == [True, False, True, False, True, True, True, True]
    assert tally.samples[Key("", "relu", 0)] == 4 * 4 * 36


def test_dead_counts_do_not_move_running_statistics() -> None:
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count_dead(model, task_of(model, noise(16, 20)), 4)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_dead_is_measured_on_fresh_batches() -> None:
    """Units that are silent on the training batch alone are not dead."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(4))
        model[0].bias.zero_()
        model[0].bias[3] = -1e6
    probe, _ = probe_of(model, Batches(lambda: torch.randn(16, 4)), steps=2)
    relu = next(a for a in probe.activations if a.kind == "ReLU")
    assert (relu.units, relu.dead, relu.dead_initial, relu.dead_units) == (4, 0.25, 0.25, [3])
    assert relu.dead_samples >= 512


def test_only_the_relu_family_can_die() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.LeakyReLU(), nn.Hardtanh(0, 1), nn.Threshold(0.1, 20), nn.ReLU6())
    probe, _ = probe_of(model, noise(16, 4), steps=2)
    assert [a.kind for a in probe.activations if a.dead is not None] == ["ReLU6"]
    assert function_kind("clamp", (0, 0.0), {}) == "ReLU"
    assert function_kind("clamp", (0,), {"min": 0, "max": 1}) is None
    assert function_kind("clamp_min", (0, 1.0), {}) is None
    assert function_kind("threshold", (0, 0.0, 1.0), {}) is None


def test_gates_are_marked_from_the_graph() -> None:
    def node(i: int, name: str, module: str, *inputs: int, kind: str = "op") -> Node:
        return Node(id=i, kind=kind, name=name, module=module, inputs=list(inputs))  # type: ignore[arg-type]

    graph = Graph(
        nodes=[
            node(0, "x", "", kind="input"),
            node(1, "linear", "fc", 0),
            node(2, "sigmoid", "", 1),
            node(3, "view", "", 2),
            node(4, "mul", "", 3, 0),
            node(5, "tanh", "act", 4),
            node(6, "linear", "head", 5),
            node(7, "sigmoid", "last", 6),
            node(8, "reshape", "", 7),
            node(9, "output", "", 8, kind="output"),
        ]
    )
    from nnreport.facts import ActivationSeries

    keys = [Key("", "sigmoid", 0), Key("act", "", 0), Key("last", "", 0)]
    series = {key: ActivationSeries(module=key.module) for key in keys}
    mark_gates(series, graph)
    assert [series[key].gate for key in keys] == [True, False, True]
