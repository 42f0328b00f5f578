"""What all experiments share: the model (of which only copies are run), its inputs, the task, the budget, one calm copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nnreport.facts import Graph, Probe
from nnreport.inspector.clone import clone
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.outputs import is_distribution, named_tensors
from nnreport.inspector.trials.clock import Clock
from nnreport.inspector.trials.pool import Inputs, Pool

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample
    from nnreport.inspector.training.task import Task

CALIBRATION_BATCHES = 3
CALIBRATION_SAMPLES = 8
"""Fresh running statistics (mean 0, variance 1) make eval outputs look constant: relative spread 1e-5 where train mode gives
0.6. Three batches of eight are enough to tell samples apart again."""
STIR = 0.02
"""Standard deviation of the noise in zero-initialised matrices; the usual scale of a transformer's weights."""
NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
PARAMETERS_OF_DISTRIBUTIONS = ("logits", "loc", "mean")


@dataclass
class Lab:
    """The bench on which every experiment is done.

    Attributes:
        model: the user's; never run, only copied.
        sample: the example input.
        task: data, loss and optimizer; None where there is no training step.
        probe: what the 30 steps showed; None likewise.
        graph: the recorded forward, for names.
        clock: the budget.
        seed: of everything random.
    """

    model: nn.Module
    sample: Sample
    task: Task | None
    probe: Probe | None
    graph: Graph | None
    clock: Clock
    seed: int = 0

    @cached_property
    def device(self) -> torch.device:
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            return tensor.device
        return torch.device("cpu")

    @cached_property
    def pool(self) -> Pool:
        return Pool(self.sample, self.task.data if self.task else None, self.device, self.seed)

    def copy(self) -> nn.Module:
        """A copy to do anything to."""
        return clone(self.model)

    def trainee(self) -> nn.Module:
        """A copy in the mode in which the probe trained."""
        return self.copy().train(self.probe is None or self.probe.mode == "train")

    @cached_property
    def calm(self) -> nn.Module:
        """A copy in eval mode whose BatchNorms know what they see; its weights are never changed."""
        copy = self.copy().eval()
        fresh = [m for m in copy.modules() if isinstance(m, _BatchNorm) and is_fresh(m)]
        if not fresh:
            return copy
        momenta = [m.momentum for m in fresh]
        try:
            for m in fresh:
                m.momentum = None  # the plain mean of all batches
                m.train()
            for i in range(CALIBRATION_BATCHES):
                self.run(copy, self.pool.draw(CALIBRATION_SAMPLES, draw=10 + i))
        except Exception:
            return self.copy().eval()  # half-calibrated statistics are worse than none
        for m, momentum in zip(fresh, momenta, strict=True):
            m.momentum = momentum
            m.eval()
        return copy

    def release(self) -> None:
        """Lets the copies go that the experiments so far have shared."""
        self.__dict__.pop("calm", None)
        self.__dict__.pop("stirred", None)

    @cached_property
    def stirred(self) -> nn.Module:
        """The calm copy with noise in every matrix that is all zero: behind a zero-initialised head or branch nothing moves the
        output, whatever reads the input."""
        copy = clone(self.calm)
        with seeded(self.seed + 17, self.device), torch.no_grad():
            for parameter in copy.parameters():
                if parameter.dim() > 1 and parameter.is_floating_point() and not bool(parameter.any()):
                    parameter.normal_(0.0, STIR)
            for norm in copy.modules():
                gain = getattr(norm, "weight", None)
                if isinstance(norm, NORMS) and gain is not None and not bool(gain.any()):
                    gain.fill_(1.0)
        return copy

    def run(self, model: nn.Module, inputs: Inputs, seed: int = 0, gradient: bool = False) -> list[tuple[str, Tensor]]:
        """One forward under a seed; all tensors of its output with their names.

        Raises whatever the model raises, and OutOfTime.
        """
        self.clock.check()
        with seeded(self.seed + seed, self.device), torch.set_grad_enabled(gradient):
            inputs = inputs.map(torch.clone)  # some models change their inputs in place
            found = output_tensors(model(*inputs.args, **inputs.kwargs))
        return found if gradient else [(name, tensor.detach()) for name, tensor in found]

    @cached_property
    def forward_seconds(self) -> float:
        """About how long a forward of the probe's batch takes; 0 where unknown."""
        return self.step_seconds / 3

    @cached_property
    def step_seconds(self) -> float:
        """Seconds of one of the probe's steps while nothing else ran (their lower quartile); 0 where unknown."""
        return undisturbed(self.probe.seconds) if self.probe else 0.0


def undisturbed(seconds: list[float]) -> float:
    """The lower quartile: what a step takes when the machine does nothing else. 0 for none."""
    return sorted(seconds)[len(seconds) // 4] if seconds else 0.0


def is_fresh(norm: _BatchNorm) -> bool:
    """It keeps running statistics and has seen no batch yet."""
    return norm.running_mean is not None and (norm.num_batches_tracked is None or int(norm.num_batches_tracked) == 0)


def output_tensors(output: Any) -> list[tuple[str, Tensor]]:
    """All tensors of an output; of a distribution the parameters that tell most of it."""
    if is_distribution(output):
        for name in PARAMETERS_OF_DISTRIBUTIONS:
            value = getattr(output, name, None)
            if isinstance(value, Tensor):
                return [(name, value)]
    return list(named_tensors(output))


@contextmanager
def state_kept() -> Iterator[None]:
    """Global switches that a user's forward may flip are put back."""
    gradient, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_grad_enabled(gradient)
        torch.set_default_dtype(dtype)
