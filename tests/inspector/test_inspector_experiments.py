"""The experiments other than mixing, each on a model with the trait and one without; and that nothing is left behind."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nnreport.facts import Experiments, OutputInfo, ParameterSeries, Probe, Range
from nnreport.inspector.experiments import run_experiments
from nnreport.inspector.feeding.data import synthetic_data
from nnreport.inspector.feeding.inputs import sample_from_specs
from nnreport.inspector.training.task import make_task
from nnreport.inspector.trials.clock import Clock
from nnreport.inspector.trials.lab import Lab
from nnreport.inspector.trials.training import train
from nnreport.job import Job

STEPS = 30
ROOT = Path(__file__).resolve().parents[2]


def experiments_of(model: nn.Module, *specs: str, budget: float = 20.0) -> Experiments:
    """Without a task."""
    return run_experiments(model, sample_from_specs(list(specs), model, 0), None, None, None, budget)


def trained_experiments_of(model: nn.Module, *specs: str, budget: float = 20.0, change=None, **options) -> Experiments:
    """With a task and a plain training run in the probe's place; ``change(probe)`` edits what it saw."""
    sample = sample_from_specs(list(specs), model, 0)
    task = make_task(model, synthetic_data(sample, model, 0), Job(target="x", **options), None, "cpu")
    assert not task.reason, task.reason
    probe = Probe(steps=STEPS, done=STEPS, loss=task.loss_info, optimizer=task.optimizer_info, stochastic=task.stochastic)
    lab = Lab(model, sample, task, None, None, Clock(60))
    probe.losses = train(lab, STEPS).numbers
    probe.seconds = [lab.clock.spent / STEPS] * STEPS
    if change is not None:
        change(probe)
    return run_experiments(model, sample, task, probe, None, budget)


def mlp(*widths: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# ---------------------------------------------------------------------------------------------------------- determinism


class Dropping(nn.Module):
    def __init__(self, right: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 40)
        self.right = right

    def forward(self, x):
        return F.dropout(self.fc(x), 0.5, training=self.training if self.right else True)


class MadeAnew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8)

    def forward(self, x):
        return nn.Linear(8, 3)(torch.relu(self.fc(x)))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 8)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return self.fc(x) * self.seen


def test_a_deterministic_net():
    found = experiments_of(Dropping(True), "4,6")
    assert found.nondeterminism == 0.0
    assert found.nondeterminism_operation == ""


def test_dropout_left_on_is_named_with_its_line():
    found = experiments_of(Dropping(False), "4,6")
    assert found.nondeterminism > 0.1
    assert found.nondeterminism_cause == "random"
    assert found.nondeterminism_operation == "dropout"
    assert "F.dropout" in found.nondeterminism_location.text


def test_a_module_made_in_forward():
    found = experiments_of(MadeAnew(), "4,6")
    assert found.nondeterminism_cause == "random"
    assert found.nondeterminism_location.function.endswith("forward")
    assert "nn.Linear(8, 3)" in found.nondeterminism_location.text


def test_state_carried_from_one_forward_to_the_next():
    found = experiments_of(Counting(), "4,6")
    assert found.nondeterminism_cause == "state"


# ------------------------------------------------------------------------------------------------------------- influence


class TwoInputs(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.how = how

    def forward(self, x, y):
        if self.how == "ignores":
            return self.fc(x)
        if self.how == "detaches":
            return self.fc(x) + self.fc(y.detach())
        if self.how == "trains":
            return self.fc(x) + (self.fc(y) if self.training else 0)
        return self.fc(x) + self.fc(y)


@pytest.mark.parametrize(
    ("how", "gradient", "moves", "train_only"),
    [
        ("ignores", False, False, False),
        ("detaches", False, True, False),
        ("trains", False, True, True),
        ("reads", True, True, False),
    ],
)
def test_influence(how, gradient, moves, train_only):
    entry = experiments_of(TwoInputs(how), "4,6", "y=4,6").influence[1]
    assert (entry.name, entry.gradient, entry.moved > 0, entry.train_only) == ("y", gradient, moves, train_only)


@pytest.mark.parametrize(("how", "moves"), [("ignores", False), ("reads", True)])
def test_a_zero_initialised_head_hides_no_input(how, moves):
    class Headed(TwoInputs):
        def __init__(self) -> None:
            super().__init__(how)
            self.head = nn.Linear(4, 4)
            nn.init.zeros_(self.head.weight)

        def forward(self, x, y):
            return self.head(super().forward(x, y))

    x, y = experiments_of(Headed(), "4,6", "y=4,6").influence
    assert x.gradient
    assert x.moved > 0
    assert (y.gradient, y.moved > 0) == (moves, moves)


def test_a_model_that_changes_its_input_in_place():
    class Scaling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x):
            return self.fc(x.mul_(2))

    found = experiments_of(Scaling(), "4,6")
    assert found.nondeterminism == 0.0
    assert found.influence[0].gradient
    assert found.mixing.absolute == 0.0


def test_tokens_have_no_gradient_and_move():
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(20, 4)

        def forward(self, x):
            return self.bag(x)

    (entry,) = experiments_of(Bag(), "4,7:int64[0,20)").influence
    assert entry.gradient is None
    assert entry.moved > 0


def test_a_mask_of_ones_says_nothing():
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x, mask):
            return self.fc(x * mask)

    entry = experiments_of(Masked(), "4,6", "4,6:int64[1,2)").influence[1]
    assert entry.constant
    assert entry.moved is None


# ---------------------------------------------------------------------------------------------------------- batch sizes


def test_batch_sizes_of_a_plain_net():
    trials = experiments_of(mlp(6, 5, 3), "4,6").batches
    assert [(t.batch, t.mode) for t in trials] == [(1, "eval"), (2, "eval"), (3, "eval"), (5, "eval"), (8, "eval"), (1, "train")]
    assert all(t.works for t in trials)


def test_a_fixed_batch_size_is_placed():
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x):
            return self.fc(x).view(4, 2, 2).flatten(1)

    trials = experiments_of(Fixed(), "4,6").batches
    assert not any(t.works for t in trials)
    assert "view(4, 2, 2)" in trials[0].location.text
    assert "shape" in trials[0].error


def test_the_nodes_of_one_graph_are_no_batch():
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)
            self.register_buffer("edges", torch.rand(9, 9).round())

        def forward(self, x):
            return self.edges @ self.fc(x)

    found = experiments_of(Graph(), "9,6")
    assert found.batches == []
    assert any("a graph or a set" in reason for reason in found.skipped)


def test_batchnorm_cannot_train_on_one():
    found = experiments_of(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), "4,6")
    alone = found.batches[-1]
    assert (alone.mode, alone.works, alone.module) == ("train", False, "1")
    assert all(t.works for t in found.batches[:-1])


def test_an_unbatched_input_has_no_batch_sizes():
    found = experiments_of(mlp(6, 5, 3), "6")
    assert found.batches == []
    assert any("batch sizes" in reason for reason in found.skipped)


# --------------------------------------------------------------------------------------------------------------- spreads


def test_spread_of_a_batchnorm_net_is_calibrated():
    torch.manual_seed(0)
    layers = [m for _ in range(6) for m in (nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())]
    for m in layers:
        if isinstance(m, nn.Conv2d):
            nn.init.normal_(m.weight, std=0.003)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    found = experiments_of(model, "8,3,10,10")
    with torch.no_grad():
        out = copy.deepcopy(model).eval()(torch.randn(8, 3, 10, 10))
    assert float(out.std(0).norm() / out.norm()) < 1e-4  # what fresh statistics would have shown
    assert found.output_spread > 0.01
    assert found.output_spread_train > 0.01


def test_a_signal_that_fades_with_depth():
    torch.manual_seed(0)
    model = nn.Sequential(*[m for _ in range(12) for m in (nn.Linear(32, 32), nn.Sigmoid())], nn.Linear(32, 4))
    found = experiments_of(model, "8,32")
    linears = [found.initial_spread[str(i)] for i in range(0, 25, 2)]
    assert linears[0] > 0.5
    assert linears[-1] < 1e-4
    assert found.output_spread == pytest.approx(linears[-1])
    assert list(found.initial_spread)[-1] == ""


def test_constant_output_has_no_spread():
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (x * 0).sum(1, keepdim=True) + self.bias * 1000

    assert experiments_of(Same(), "4,6").output_spread == 0.0


# ------------------------------------------------------------------------------------------------------ training again


def test_a_net_that_learns_asks_no_more():
    found = trained_experiments_of(mlp(20, 64, 5), "16,20", optimizer="adam:lr=0.01")
    assert found.longer_losses == []
    assert found.rates == []
    assert not found.exhausted
    assert 0.5 < found.baseline_loss <= math.log(5) + 1e-6


def test_a_low_rate_is_told_by_higher_ones():
    found = trained_experiments_of(mlp(20, 64, 5), "16,20", optimizer="sgd:lr=1e-5")
    factors = [trial.factor for trial in found.rates]
    assert factors == [0.1, 10.0, 100.0, 1000.0]
    first, last = found.rates[-1].losses[0], found.rates[-1].losses[-1]
    assert found.rates[-1].learning_rate == pytest.approx(1e-2)
    assert last < 0.98 * first
    assert found.longer_losses
    assert found.higher_rate_losses
    assert found.sharpness > 0


def test_a_high_rate_is_told_by_a_tenth():
    found = trained_experiments_of(mlp(20, 64, 64, 1), "16,20", optimizer="sgd:lr=3.0", loss="mse_loss")
    trial = next(t for t in found.rates if t.factor == 0.1)
    assert math.isfinite(float(trial.losses[-1]))
    assert found.sharpness * 3.0 > 2


def test_sharpness_is_the_largest_eigenvalue():
    torch.manual_seed(0)
    model = nn.Linear(6, 1, bias=False)
    found = trained_experiments_of(model, "32,6", optimizer="sgd:lr=0.01", loss="mse_loss")
    sample = sample_from_specs(["32,6"], model, 0)
    x = make_task(model, synthetic_data(sample, model, 0), Job(target="x", loss="mse_loss"), None, "cpu").data.first.args[0]
    exact = float(torch.linalg.eigvalsh(2 * x.T @ x / len(x))[-1])
    assert found.sharpness == pytest.approx(exact, rel=0.1)


class Unlearnable(nn.Module):
    """Its weights are read through a rounding: there is a gradient path for the bias of the output alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x):
        return torch.tanh(self.fc(x) * 1e-3)


def test_what_cannot_be_fitted_is_tried_longer_faster_and_elsewhere():
    found = trained_experiments_of(Unlearnable(), "16,20")
    assert len(found.longer_losses) == 10 * STEPS + 1
    assert found.higher_rate_losses
    assert found.second_seed


def test_a_slow_start_is_shown_to_be_fittable():
    found = trained_experiments_of(mlp(20, 64, 5), "16,20", optimizer="adam:lr=1e-3")
    if found.longer_losses:
        assert float(found.longer_losses[-1]) < 0.75 * float(found.longer_losses[0])
        assert found.higher_rate_losses == []


def test_softmax_before_cross_entropy_is_undone():
    model = nn.Sequential(mlp(20, 64, 5), nn.Softmax(1))

    def saw_softmax(probe):
        probe.output = OutputInfo(sums_to_one=1, activation="softmax", range=Range(minimum=0, maximum=1, mean=0.2, std=0.1))

    found = trained_experiments_of(model, "16,20", loss="cross_entropy", optimizer="adam:lr=0.01", change=saw_softmax)
    assert float(found.without_softmax[-1]) < 0.5
    assert float(found.without_softmax[0]) == pytest.approx(math.log(5), rel=0.2)


class Partly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.cut, self.idle = nn.Linear(20, 5), nn.Linear(20, 5), nn.Linear(20, 5)

    def forward(self, x):
        return self.used(x) + self.cut(x).detach()


def test_silent_parameters_are_told_apart():
    def saw_silence(probe):
        probe.parameters = [ParameterSeries(name=n, steps=5, none_steps=5) for n in ("cut.weight", "idle.weight")]
        probe.parameters.append(ParameterSeries(name="used.weight", steps=5))

    found = trained_experiments_of(Partly(), "16,20", change=saw_silence)
    told = {entry.name: entry for entry in found.silent}
    assert set(told) == {"cut.weight", "idle.weight"}
    assert told["cut.weight"].moves > 0
    assert told["idle.weight"].moves == 0
    assert told["cut.weight"].elsewhere is False


# ------------------------------------------------------------------------------------------------------------- manners


def test_nothing_of_the_users_is_changed():
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 5))
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [m.training for m in model.modules()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    trained_experiments_of(model, "16,20", optimizer="sgd:lr=0.1")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert [m.training for m in model.modules()] == flags
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not torch.nn.modules.module._global_forward_hooks
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_twice_the_same():
    def once():
        torch.manual_seed(0)
        found = trained_experiments_of(Dropping(False), "16,6", optimizer="sgd:lr=0.1")
        found.seconds, found.timings = 0.0, {}
        return found

    assert once() == once()


def test_no_time_means_nothing_is_done_and_it_is_said():
    found = trained_experiments_of(mlp(20, 64, 5), "16,20", budget=0.0)
    assert found.exhausted
    assert found.mixing is None
    assert any("the time was spent" in reason for reason in found.skipped)


def test_a_failing_experiment_leaves_the_others():
    class Once(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x):
            if len(x) == 5:
                raise SystemExit(3)
            return self.fc(x)

    found = experiments_of(Once(), "4,6")
    assert found.output_spread is not None
    assert found.influence
    assert any("SystemExit" in reason for reason in found.skipped)


def test_neither_the_compiler_nor_sympy_is_imported(tmp_path):
    code = """
import sys, torch
from torch import nn
sys.path.insert(0, "tests/inspector")
from test_inspector_experiments import trained_experiments_of, mlp
from test_inspector_profile import profile_of
found = trained_experiments_of(mlp(20, 8, 5), "16,20", optimizer="sgd:lr=1e-4")
assert found.sharpness and found.rates and found.influence[0].gradient, found
assert profile_of(mlp(20, 8, 5), "16,20").operators
print("HEAVY", sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)))
"""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    assert "HEAVY []" in done.stdout
