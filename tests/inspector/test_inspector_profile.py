"""Time and memory of a step: known costs are found where they are, and awkward models still run."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from nnreport.facts import Call, Graph, Profile
from nnreport.inspector.feeding.data import synthetic_data
from nnreport.inspector.feeding.inputs import sample_from_specs
from nnreport.inspector.profiling.profile import own_flops, run_profile
from nnreport.inspector.training.task import make_task
from nnreport.job import Job


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


def profile_of(model: nn.Module, *specs: str, graph: Graph | None = None, **options) -> Profile:
    torch.manual_seed(0)
    sample = sample_from_specs(list(specs), model, 0)
    task = make_task(model, synthetic_data(sample, model, 0), Job(target="x", **options), None, "cpu")
    assert not task.reason, task.reason
    return run_profile(model, task, graph, None)


class SlowBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        time.sleep(0.01)
        return gradient


class Slow(nn.Module):
    def __init__(self, forward: float, backward: bool) -> None:
        super().__init__()
        self.seconds, self.backward = forward, backward

    def forward(self, x):
        time.sleep(self.seconds)
        return SlowBackward.apply(x) if self.backward else x


def costs(profile: Profile):
    return {cost.module: cost for cost in profile.modules}


def test_time_is_charged_to_the_module_that_takes_it():
    model = nn.Sequential(nn.Linear(6, 5), Slow(0.01, False), nn.Sequential(Slow(0.0, True), nn.Linear(5, 3)))
    profile = profile_of(model, "16,6")
    rows = costs(profile)
    assert rows["1"].forward == pytest.approx(0.01, rel=0.5)
    assert rows["2.0"].backward == pytest.approx(0.01, rel=0.5)
    assert rows["2"].backward < 0.003 < rows["2"].backward_total
    assert rows[""].forward < 0.003 < rows[""].forward_total
    assert rows["0"].backward > 0
    assert profile.step > 0.02
    assert profile.forward + profile.backward + profile.optimizer == pytest.approx(profile.step, rel=0.2)
    assert profile.throughput == pytest.approx(16 / profile.step)


def test_own_times_add_up_to_the_total():
    rows = costs(profile_of(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Sequential(nn.Linear(64, 64), nn.ReLU())), "16,64"))
    assert sum(row.forward for row in rows.values()) == pytest.approx(rows[""].forward_total, rel=1e-6)
    assert sum(row.backward for row in rows.values()) == pytest.approx(rows[""].backward_total, rel=1e-6)
    inner = rows["2"].backward + rows["2.0"].backward + rows["2.1"].backward
    assert rows["2"].backward_total == pytest.approx(inner, rel=1e-6)


def test_memory_by_hand():
    profile = profile_of(nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), "16,784", loss="cross_entropy")
    weights = 4 * (784 * 128 + 128 + 128 * 10 + 10)
    assert profile.parameters_memory == weights
    assert profile.gradients_memory == weights
    assert profile.optimizer_memory == pytest.approx(2 * weights, rel=1e-3)  # Adam's two moments and step counters
    # the ReLU's output, which it and the next layer save once, and the loss's log-probabilities
    assert profile.activations_memory == pytest.approx(4 * 16 * (128 + 10), rel=0.01)
    assert profile.peak_memory >= 4 * weights
    assert profile.peak_memory < 8 * weights
    assert costs(profile)["1"].activation == 4 * 16 * 128


def test_the_batch_is_held_by_no_layer():
    small, large = (profile_of(nn.Sequential(nn.Linear(8, 512), nn.ReLU(), nn.Linear(512, 4)), f"{n},8") for n in (16, 64))
    assert large.activations_memory == pytest.approx(4 * small.activations_memory, rel=0.01)


def test_operators_are_ranked():
    profile = profile_of(nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 4)), "64,256")
    names = [op.name for op in profile.operators]
    assert {"addmm", "mm"} & set(names[:6])
    assert [op.seconds for op in profile.operators] == sorted((op.seconds for op in profile.operators), reverse=True)
    assert 0.5 < sum(op.share for op in profile.operators) <= 1.0001
    assert not any("memory" in name for name in names)


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = self.act(self.norm(self.conv(x)))
        y = y * 2
        y += self.norm(self.conv(x))
        return self.head(y.mean((2, 3)))


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first, self.body, self.head = nn.Linear(6, 8), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 3)
        self.reentrant = reentrant

    def forward(self, x):
        return self.head(checkpoint(self.body, self.first(x), use_reentrant=self.reentrant))


class Outputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8, sparse=True)
        self.rnn = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 20)
        self.head.weight = nn.Parameter(self.embed.weight.detach().clone())
        self.idle = nn.Linear(3, 3)

    def forward(self, x):
        return {"logits": self.head(self.rnn(self.embed(x))[0])}


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(6, 8).requires_grad_(False), nn.Linear(8, 3)

    def forward(self, x):
        with torch.no_grad():
            x = self.stem(x)
        return self.head(x)


@pytest.mark.parametrize(
    ("model", "specs", "options"),
    [
        (InPlace(), ["4,3,8,8"], {}),
        (Checkpointed(True), ["16,6"], {}),
        (Checkpointed(False), ["16,6"], {}),
        (Outputs(), ["4,7:int64[0,20)"], {"optimizer": "sgd:lr=0.1"}),
        (Frozen(), ["16,6"], {}),
        (nn.Linear(6, 3), ["16,6"], {"optimizer": "lbfgs"}),
        (nn.Linear(6, 3), ["6"], {}),
        (nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), ["16,6"], {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_awkward_models_are_profiled(model, specs, options):
    profile = profile_of(model, *specs, **options)
    assert profile.step > 0
    assert profile.modules
    assert profile.operators
    assert sum(row.backward_total for row in profile.modules if row.module == "") > 0


def test_the_users_model_and_hooks_stay():
    model = InPlace()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    profile_of(model, "4,3,8,8")
    torch.set_rng_state(state)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_flops_are_scaled_to_the_batch_and_charged_once():
    calls = [
        Call(id=0, module="", flops=300, flops_backward=600),
        Call(id=1, module="a", parent=0, flops=200, flops_backward=400),
        Call(id=2, module="a", parent=0, flops=100, flops_backward=200),
    ]
    graph = Graph(calls=calls, batch=1, flops=300, flops_backward=600)
    assert own_flops(graph, 16.0) == {"": 0, "a": 16 * 900}
    profile = profile_of(nn.Linear(6, 3), "1,6", graph=graph)
    assert profile.achieved_flops == pytest.approx(profile.batch * 900 / profile.step)


def test_nothing_but_the_profile_reaches_standard_error(capfd):
    profile_of(nn.Linear(6, 3), "16,6")
    assert capfd.readouterr().err == ""


def test_a_scripted_child_takes_no_hooks():
    model = nn.Sequential(torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.ReLU())), nn.Linear(8, 3))
    profile = profile_of(model, "4,4")
    assert profile.step > 0
    assert "1" in {row.module for row in profile.modules}
