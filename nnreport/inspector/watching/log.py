"""A series that grows with the run and stays small: neighbours are merged when there are many."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nnreport.facts import Series, number

MOST = 2000
"""Points kept; at twice as many, neighbours are merged."""
SHOWN = 600
"""Points that a report is given."""
WAITING = 200
"""Values on an accelerator that may wait to be fetched together: each fetch stops its queue."""


class Log:
    """Values by step. A value on an accelerator is fetched with many others, so that no step waits for it."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self.every = 1
        self.waiting: list[tuple[int, Tensor]] = []
        self.bucket: list[float] = []
        """Values since the last that was kept; :attr:`every` of them make one."""
        self.start = 0

    def add(self, step: int, value: float | Tensor) -> None:
        """One value; a tensor must have one element."""
        if isinstance(value, Tensor):
            if value.device.type != "cpu":
                self.waiting.append((step, value.detach().clone()))
                if len(self.waiting) >= WAITING:
                    self.fetch()
                return
            value = float(value.detach())
        self.append(step, value)

    def append(self, step: int, value: float) -> None:
        if not self.bucket:
            self.start = step
        self.bucket.append(value)
        if len(self.bucket) < self.every:
            return
        self.steps.append(self.start)
        self.values.append(sum(self.bucket) / len(self.bucket))
        self.bucket.clear()
        if len(self.values) >= 2 * MOST:
            self.steps, self.values = merged(self.steps, self.values, 2)
            self.every *= 2

    def fetch(self) -> None:
        """Brings what waits on the accelerator."""
        waiting, self.waiting = self.waiting, []
        if waiting:
            values = torch.stack([value.reshape(()).float() for _, value in waiting]).tolist()
            for (step, _), value in zip(waiting, values, strict=True):
                self.append(step, value)

    def series(self) -> Series:
        """The record, of at most about :data:`SHOWN` points."""
        self.fetch()
        factor = max(1, math.ceil(len(self.values) / SHOWN))
        steps, values = merged(self.steps, self.values, factor)
        return Series(steps=steps, values=[number(v) for v in values], every=self.every * factor)

    @property
    def last(self) -> float | None:
        self.fetch()
        return self.values[-1] if self.values else None


def merged(steps: list[int], values: list[float], factor: int) -> tuple[list[int], list[float]]:
    """Means of ``factor`` neighbours, each at its first step; a non-finite value is not averaged away, for it spreads."""
    if factor <= 1:
        return list(steps), list(values)
    starts = range(0, len(values), factor)
    return [steps[i] for i in starts], [sum(values[i : i + factor]) / len(values[i : i + factor]) for i in starts]
