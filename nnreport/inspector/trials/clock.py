"""One budget of seconds that all experiments share."""

from __future__ import annotations

from time import perf_counter


class OutOfTime(Exception):
    """The budget is spent; what was found so far stands."""


class Clock:
    """Counts the seconds from its making.

    Args:
        seconds: the budget.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start = perf_counter()

    @property
    def spent(self) -> float:
        return perf_counter() - self.start

    @property
    def left(self) -> float:
        return self.seconds - self.spent

    def check(self, cost: float = 0.0) -> None:
        """Raises OutOfTime if ``cost`` more seconds would not fit."""
        if self.left < cost:
            raise OutOfTime
