"""One budget of seconds that all experiments share."""

from __future__ import annotations

from time import perf_counter, thread_time

WAITING = 4.0
"""Seconds on the wall that count as one where this thread mostly waits (a busy machine, an accelerator, a model that sleeps)."""


class OutOfTime(Exception):
    """The budget is spent; what was found so far stands."""


class Clock:
    """Counts the seconds that this thread has worked since the clock was made.

    Work rather than the wall's time, so that the same command asks the same questions, and finds the same, on a busy machine as
    on a quiet one.

    Args:
        seconds: the budget.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.worked = thread_time()
        self.start = perf_counter()

    @property
    def spent(self) -> float:
        return max(thread_time() - self.worked, (perf_counter() - self.start) / WAITING)

    @property
    def left(self) -> float:
        return self.seconds - self.spent

    def check(self, cost: float = 0.0) -> None:
        """Raises OutOfTime if ``cost`` more seconds would not fit."""
        if self.left < cost:
            raise OutOfTime
