"""Our own work among the script's: timed, and never a fault of the script's."""

from __future__ import annotations

import traceback
from time import perf_counter
from typing import Any

MOST_FAULTS = 5
"""Faults of ours that are remembered."""


class Own:
    """Our own work: timed, and a fault in it is remembered, never raised into the script."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.seconds = 0.0
        self.start = 0.0
        self.inside = False
        """What runs now is ours, be it a copy of the script's model."""

    def __enter__(self) -> None:
        self.inside = True
        self.start = perf_counter()

    def __exit__(self, kind: Any, fault: BaseException | None, trace: Any) -> bool:
        self.inside = False
        self.seconds += perf_counter() - self.start
        if fault is None or not isinstance(fault, Exception):
            return False
        if len(self.faults) < MOST_FAULTS:
            self.faults.append("".join(traceback.format_exception(fault)))
        return True
