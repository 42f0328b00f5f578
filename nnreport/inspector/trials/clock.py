"""One budget of seconds that all experiments share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        self.limit = seconds

    @property
    def spent(self) -> float:
        return perf_counter() - self.start

    @property
    def left(self) -> float:
        return self.limit - self.spent

    def check(self, cost: float = 0.0) -> None:
        """Raises OutOfTime if ``cost`` more seconds would not fit."""
        if self.left < cost:
            raise OutOfTime

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Within it, the budget also ends after ``seconds``, so that one experiment does not eat the others' time."""
        limit = self.limit
        self.limit = min(limit, self.spent + seconds)
        try:
            yield
        finally:
            self.limit = limit
