"""The first operation that makes NaN or Inf: its module, line, inputs, in forward, loss, backward and update."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from probe_helpers import Batches, Classifier, noise, probe_of
from torch import Tensor, nn

from nnreport.facts import NonFinite


def found(model: nn.Module, data: Any = None, **job: Any) -> NonFinite:
    probe, task = probe_of(model, data or noise(16, 20), **job)
    assert probe.nonfinite is not None
    assert "not finite" in probe.reason
    assert not task.failures
    return probe.nonfinite


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        power = x.clamp(min=0)
        return power.log()


class LogOfZero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.inner, self.norm, self.head = nn.Linear(20, 16), Inner(), nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.inner(self.body(x)))))


def test_the_first_operation_not_the_fortieth() -> None:
    first = found(LogOfZero())
    assert (first.step, first.phase, first.module, first.operation) == (0, "forward", "inner", "log")
    assert first.location is not None
    assert first.location.text == "return power.log()"
    assert first.inputs[0].minimum == 0.0
    assert first.output is not None
    assert first.output.inf > 0


def test_running_statistics_that_took_the_nan_are_not_blamed() -> None:
    model = LogOfZero()
    model.norm = nn.BatchNorm1d(16)  # type: ignore[assignment]
    first = found(model)
    assert (first.module, first.operation) == ("inner", "log")


class Masked(nn.Module):
    """Attention with a mask of -inf, then a division that really fails."""

    def __init__(self, divide: bool, all_masked: bool = False) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(20, 20), nn.Linear(20, 5)
        self.divide, self.all_masked = divide, all_masked

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        scores = y.unsqueeze(2) * y.unsqueeze(1)
        mask = torch.full((20, 20), float("-inf")).triu(1) if not self.all_masked else torch.full((20, 20), float("-inf"))
        scores = scores + mask
        scores = scores.masked_fill(torch.eye(20).bool().logical_not().tril(-19), float("-inf"))
        y = torch.einsum("nij,nj->ni", scores.softmax(-1), y)
        return self.head(y / (y.relu() * 0) if self.divide else y)


def test_a_mask_is_no_fault() -> None:
    probe, _ = probe_of(Masked(False), noise(16, 20), steps=3)
    assert probe.nonfinite is None
    assert probe.done == 3
    assert found(Masked(True)).operation == "div"


def test_a_row_that_is_masked_whole() -> None:
    first = found(Masked(False, all_masked=True))
    assert first.operation == "softmax"


class HarmlessLog(nn.Module):
    """log(0) that a where throws away comes first; the exp overflows later."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(20, 20), nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        ones = (x > 0).float()
        safe = torch.where(ones > 0, ones.log(), torch.zeros(()))
        return self.head(torch.exp(self.fc(x) * 1000) + safe)


def test_infinity_that_came_and_went_is_not_blamed() -> None:
    assert found(HarmlessLog()).operation == "exp"


def bad_loss(output: Tensor, target: Tensor) -> Tensor:
    probabilities = output.softmax(1) * 0
    return -probabilities.log().mean()


def test_loss() -> None:
    first = found(Classifier(), loss=bad_loss)
    assert (first.phase, first.operation, first.step) == ("loss", "log", 0)
    assert first.location is not None
    assert first.location.function == "bad_loss"


class RootOfZero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(20, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        z = y - y.detach()
        return self.head(y + z.abs().sqrt())


def test_backward() -> None:
    probe, _ = probe_of(RootOfZero(), noise(16, 20))
    first = probe.nonfinite
    assert first is not None
    assert (first.step, first.phase, first.operation) == (0, "backward", "sqrt")
    assert first.parameter.startswith("fc.")
    assert first.location is not None
    assert "sqrt" in first.location.text
    assert probe.losses
    assert isinstance(probe.losses[0], float)


class NormOfZero(nn.Module):
    """A composite function: the norm inside is what fails, the user called ``dist``."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        return y + torch.linalg.vector_norm(y * 0, dim=1, keepdim=True).pow(0.5)


def test_backward_through_a_power() -> None:
    first = found(NormOfZero())
    assert first.phase == "backward"
    assert first.operation in ("pow", "vector_norm", "linalg_vector_norm")


def test_update_that_overflows() -> None:
    first = found(nn.Sequential(nn.Linear(20, 5)), loss="mse", optimizer="sgd:lr=1e38", data=noise(16, 20))
    assert first.phase in ("update", "forward", "loss")
    again = found(Classifier(), optimizer="sgd:lr=1e38,momentum=0.9")
    assert again.step <= 2
    assert again.phase in ("update", "forward")


class Counted(nn.Module):
    """Goes wrong in the third step only, and by chance only: the re-run sees the same random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        luck = torch.rand(())
        if self.training and bool(self.fc.weight.abs().max() > self.limit):
            y = y + (luck - luck).log()
        return y

    limit = 0.24


def test_later_step_is_run_again_as_it_was() -> None:
    torch.manual_seed(0)
    model = Counted()
    with torch.no_grad():
        model.fc.weight.clamp_(-0.2, 0.2)
    first = found(model, steps=60, optimizer="adam:lr=0.01")
    assert first.step > 1
    assert first.operation == "log"


def test_infinite_input_is_named() -> None:
    def with_hole() -> Tensor:
        x = torch.randn(16, 20)
        x[3, 4] = float("nan")
        return x

    first = found(Classifier(), Batches(with_hole))
    assert first.step == 0
    assert first.phase == "forward"
    assert first.operation == "input"


def test_huge_but_finite_gradient_goes_on() -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(20, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) * 1e15

    probe, _ = probe_of(Large(), noise(16, 20), steps=2, optimizer="sgd:lr=0")
    assert probe.done == 2
    assert probe.nonfinite is None


def test_inside_a_custom_autograd_function() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x / 0

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.head = nn.Linear(20, 8), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.relu(Broken.apply(self.fc(x))))

    first = found(Net())
    assert first.operation == "div"
    assert first.location is not None
    assert first.location.text == "return x / 0"


@pytest.mark.parametrize("seed", [0, 1])
def test_same_answer_twice(seed: int) -> None:
    torch.manual_seed(seed)
    model = LogOfZero()
    assert found(model) == found(model)
