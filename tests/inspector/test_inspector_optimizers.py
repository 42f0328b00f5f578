"""--optimizer: names, arguments, the user's callables; equal to torch's own to the bit, and no compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from probe_helpers import Classifier, noise, probe_of, task_of
from torch import nn

from nnreport.errors import UsageError
from nnreport.inspector.training import lightstep
from nnreport.inspector.training.optimizers import known_optimizers, parse_settings, plan_named

DENSE = sorted(set(known_optimizers()) - {"sparseadam"})


def losses(make: Any, steps: int = 5) -> list[torch.Tensor]:
    """Parameters after some steps of a small net without biases (Muon takes matrices only)."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(8, 6, bias=False), nn.Tanh(), nn.Linear(6, 2, bias=False))
    x, y = torch.randn(10, 8), torch.randn(10, 2)
    optimizer = make(model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        return loss

    for _ in range(steps):
        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("name", DENSE)
def test_equal_to_torchs_own_to_the_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = known_optimizers()[name]
    plain = losses(lambda model: cls(model.parameters()))  # type: ignore[call-arg]
    monkeypatch.setattr(lightstep, "sys", SimpleNamespace(modules={}))  # as if the compiler were not imported yet
    plan = plan_named(name)
    wrapped = lightstep.bare_step(cls) is not None
    assert wrapped or name in ("adafactor", "lbfgs", "muon"), "torch's wrapper looks different"
    assert ("step" in vars(plan(nn.Linear(2, 2, bias=False)))) == wrapped
    ours = losses(plan)
    assert all(torch.equal(a, b) for a, b in zip(plain, ours, strict=True))


def test_hooks_on_the_optimizer_still_run() -> None:
    model = Classifier()
    optimizer = plan_named("sgd:lr=0.1")(model)
    calls: list[str] = []
    optimizer.register_step_pre_hook(lambda *a: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *a: calls.append("post"))
    model(torch.randn(2, 20)).sum().backward()
    optimizer.step()
    assert calls == ["pre", "post"]


def test_training_imports_no_compiler() -> None:
    code = """
import sys, torch
from torch import nn
from nnreport.inspector.training.optimizers import plan_named
for name in ("adam", "adamw", "sgd:lr=0.1,momentum=0.9", "rmsprop", "adagrad", "lbfgs", "nadam", "radam", "adamax"):
    model = nn.Linear(4, 3)
    optimizer = plan_named(name)(model)
    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).sum()
        loss.backward()
        return loss
    for _ in range(2):
        optimizer.step(closure)
bad = [m for m in ("torch._dynamo", "sympy") if m in sys.modules]
assert not bad, bad
methods = [getattr(torch.optim.Optimizer, n).__wrapped__ for n in ("add_param_group", "zero_grad")]
marks = [m for m in methods if hasattr(m, "__dynamo_disable")]
assert not marks, marks
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_settings_are_read() -> None:
    plan = plan_named("SGD:lr=0.1,momentum=0.9,nesterov=true")
    assert plan.info.name == "SGD"
    assert plan.info.settings == {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    assert parse_settings("betas=0.9,0.95,lr=1e-3", "o") == {"betas": (0.9, 0.95), "lr": 1e-3}
    assert parse_settings("betas=(0.9, 0.95),eps=1e-6,amsgrad=False", "o") == {
        "betas": (0.9, 0.95),
        "eps": 1e-6,
        "amsgrad": False,
    }
    assert plan_named("torch.optim.AdamW").info.name == "AdamW"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adamm", "did you mean Adam"),
        ("xyz", "FILE:CALLABLE"),
        ("adam:momentum=0.9", "it takes lr="),
        ("sgd:0.1", "NAME=VALUE"),
        ("sgd:lr=fast", "number"),
        ("sgd:lr=-1", "Invalid learning rate"),
        ("sgd:lr=__import__('os')", "number"),
    ],
)
def test_wrong_usage_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        plan_named(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def of_parameters(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.25, momentum=0.5)


def of_model(model: Classifier) -> torch.optim.Optimizer:
    return torch.optim.Adam([{"params": model.last.parameters(), "lr": 0.125}])


def test_users_callable() -> None:
    task = task_of(Classifier(), noise(16, 20), optimizer=of_parameters)
    info = task.optimizer_info
    assert (info.user, info.source, info.learning_rate, info.parameters, info.missing) == (True, "given", 0.25, 4, [])
    assert "SGD" in info.name
    assert info.settings["momentum"] == 0.5
    assert info.location is not None
    assert info.location.function == "of_parameters"


def test_parameters_that_the_optimizer_lacks() -> None:
    info = task_of(Classifier(), noise(16, 20), optimizer=of_model).optimizer_info
    assert info.missing == ["first.weight", "first.bias"]
    assert info.learning_rate == 0.125


def broken(parameters: Any) -> torch.optim.Optimizer:
    raise KeyError("rate")


def test_users_callable_that_raises_is_a_failure() -> None:
    probe, task = probe_of(Classifier(), noise(16, 20), optimizer=broken)
    assert task.failures[0].phase == "optimizer"
    assert task.failures[0].exception == "KeyError"
    assert probe.done == 0
    assert "optimizer" in probe.reason


def test_factor_scales_the_rate() -> None:
    task = task_of(Classifier(), noise(16, 20), optimizer="sgd:lr=0.1")
    assert task.new_optimizer(Classifier(), factor=0.1).param_groups[0]["lr"] == pytest.approx(0.01)


def test_default_is_adam_and_says_so() -> None:
    info = task_of(Classifier(), noise(16, 20)).optimizer_info
    assert (info.name, info.source, info.user, info.learning_rate) == ("Adam", "default", False, 1e-3)


def test_scheduler_around_step_is_left_alone() -> None:
    def with_scheduler(parameters: Any) -> Any:
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1)

    probe, _ = probe_of(Classifier(), noise(16, 20), steps=3, optimizer=with_scheduler)
    assert probe.done == 3
