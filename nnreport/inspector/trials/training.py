"""Trains copies from the same start as the probe did, with one thing changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnreport.facts import Number, number
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.clock import OutOfTime
from nnreport.inspector.trials.lab import Lab

if TYPE_CHECKING:
    from nnreport.inspector.feeding.data import Batch

BLOWN = 1e6
"""A loss so many times its start has diverged; more steps tell no more."""
ENOUGH = 0.35
"""A loss that fell by so much can be fitted: a longer run may stop. (The limit of the verdict is a tenth.)"""
DRAWS = 8
"""Forwards over which a stochastic loss is averaged."""


@dataclass
class Run:
    """One training run.

    Attributes:
        losses: at each step before its update, and once more after the last one.
        model: the trained copy.
        whole: all steps were made, or the stop was asked for.
    """

    model: nn.Module
    losses: list[float] = field(default_factory=list)
    whole: bool = True

    @property
    def numbers(self) -> list[Number]:
        return [number(loss) for loss in self.losses]

    @property
    def fall(self) -> float:
        return fall(self.losses)


def train(
    lab: Lab,
    steps: int,
    factor: float = 1.0,
    batch: Batch | None = None,
    seed: int = 0,
    prepare: Callable[[nn.Module], Any] | None = None,
    enough: float | None = None,
) -> Run:
    """Trains a copy on one fixed batch.

    Args:
        lab: with a task.
        steps: at most so many.
        factor: of the learning rate.
        batch: in place of the probe's.
        seed: added to the probe's.
        prepare: changes the copy before the first step.
        enough: stop once the loss has fallen by this share of its start.

    Raises what the user's code raises, and OutOfTime if not one step fits.
    """
    task = lab.task
    assert task is not None
    lab.clock.check(lab.step_seconds)
    copy = lab.trainee()
    run = Run(copy)
    with seeded(lab.seed + seed, lab.device), torch.enable_grad():
        if prepare is not None:
            prepare(copy)
        optimizer = task.new_optimizer(copy, factor)
        batch = task.data.first if batch is None else batch
        for _ in range(steps):
            if lab.clock.left < lab.step_seconds and run.losses:
                run.whole = False
                break
            run.losses.append(float(task.step(copy, optimizer, batch)))
            if ended(run.losses, enough):
                break
        loss, _ = task.loss(copy, batch)
        run.losses.append(float(loss.detach()))
    return run


def ended(losses: list[float], enough: float | None) -> bool:
    """It has diverged, or has fallen far enough to be sure."""
    last = losses[-1]
    if not math.isfinite(last) or abs(last) > BLOWN * max(abs(losses[0]), 1e-12):
        return True
    return enough is not None and len(losses) >= 5 and fall(losses) >= enough


def fall(losses: Sequence[float | Number]) -> float:
    """By what share of its start a loss has fallen, the last few steps averaged; −inf where it is not finite."""
    values = [float(x) for x in losses]
    if len(values) < 2:
        return 0.0
    tail = values[-min(3, len(values) - 1) :]
    end = sum(tail) / len(tail)
    if not (math.isfinite(values[0]) and math.isfinite(end)):
        return -math.inf
    return (values[0] - end) / max(abs(values[0]), 1e-12)


def mean_loss(lab: Lab, model: nn.Module) -> float:
    """The loss on the probe's batch in train mode, averaged over several draws of its randomness."""
    task = lab.task
    assert task is not None
    total = 0.0
    for i in range(DRAWS):
        lab.clock.check()
        with seeded(lab.seed + 100 + i, lab.device), torch.no_grad():
            total += float(task.loss(model, task.data.first)[0])
    return total / DRAWS


def affordable(lab: Lab, steps: int, share: float = 1.0) -> int:
    """As many of ``steps`` as fit into a share of the time left. Raises OutOfTime if fewer than five do."""
    fit = int(share * lab.clock.left / lab.step_seconds) if lab.step_seconds > 0 else steps
    if fit < min(5, steps):
        raise OutOfTime
    return min(steps, fit)
