"""Data of fixed batches, and a short way to a task and a probe, for the tests of the probe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import DataInfo, Graph, Probe
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.probe import run_probe
from nnreport.inspector.training.task import Task, make_task
from nnreport.job import Job


class Batches:
    """Batches of what ``make`` gives under a seed; with ``target``, the user's own."""

    failure = None

    def __init__(self, make: Callable[[], Any], target: Callable[[Any], Tensor] | None = None) -> None:
        self.make, self.target = make, target
        self.user = target is not None
        self.info = DataInfo(user=self.user)
        self.first = self.drawn(0)

    def drawn(self, seed: int) -> Batch:
        with seeded(seed):
            made = self.make()
            if isinstance(made, dict):
                return Batch((), made)
            args = made if isinstance(made, tuple) else (made,)
            return Batch(args, {}, self.target(args[0]) if self.target else None)

    def fresh(self, i: int) -> Batch:
        return self.drawn(i + 1)


def noise(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(*shape)


def tokens(vocabulary: int, *shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(0, vocabulary, shape)


def task_of(model: nn.Module, data: Any, hints: dict[str, Any] | None = None, **job: Any) -> Task:
    objects = {k: job.pop(k) for k in ("loss", "optimizer") if callable(job.get(k))}
    if not isinstance(data, Batches):
        data = Batches(data)
    return make_task(model, data, Job(target="", **job), None, "cpu", hints, **objects)  # type: ignore[arg-type]


def probe_of(model: nn.Module, data: Any, steps: int = 6, graph: Graph | None = None, **job: Any) -> tuple[Probe, Task]:
    task = task_of(model, data, **job)
    return run_probe(model, task, steps, graph), task


class Classifier(nn.Module):
    """20 numbers to 5 classes, with a functional ReLU."""

    def __init__(self, inside: int = 20, classes: int = 5) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inside, 32), nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x)))
