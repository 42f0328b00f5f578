"""Repeats in a sequence of steps: eighty equal blocks are one block ×80."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

LONGEST = 16
"""Longest pattern looked for, in steps."""
FEWEST = 3
"""Repetitions below which folding hides more than it shows."""


class Run(NamedTuple):
    """``times`` repetitions of ``period`` steps, from ``start``."""

    start: int
    period: int
    times: int


def find_runs(kinds: Sequence[Hashable], reads: Sequence[set[int]], read_by: Sequence[set[int]]) -> list[Run]:
    """The runs of equal steps, disjoint, in order.

    A run is folded only if nothing is lost: every repetition reads the same way (from itself, from the one before, or from one
    fixed place outside), and no repetition but the last is read from further on.

    Args:
        kinds: what each step is; equal ones may be folded.
        reads: indices of earlier steps that each step reads; negative numbers stand for places outside of the sequence.
        read_by: indices of later steps that read it; ``len(kinds)`` or more stands for outside.
    """
    runs, at = [], 0
    while at < len(kinds):
        best: Run | None = None
        for period in range(1, min(LONGEST, (len(kinds) - at) // FEWEST) + 1):
            times = _times(kinds, reads, read_by, at, period)
            if times >= FEWEST and (best is None or period * times > best.period * best.times):
                best = Run(at, period, times)
        if best:
            runs.append(best)
        at += best.period * best.times if best else 1
    return runs


def _times(kinds: Sequence[Hashable], reads: Sequence[set[int]], read_by: Sequence[set[int]], start: int, period: int) -> int:
    times = 1
    while (begin := start + times * period) + period <= len(kinds):
        if any(kinds[begin + i] != kinds[start + i] for i in range(period)):
            break
        links = _links(reads, begin, period)
        if times == 1 and _inner(links) != _inner(_links(reads, start, period)):
            break
        if times > 1 and links != _links(reads, start + period, period):
            break
        if _leaks(read_by, begin - period, period):
            break
        times += 1
    return times


def _links(reads: Sequence[set[int]], begin: int, period: int) -> list[frozenset[tuple[str, int]]]:
    """How each step of one repetition reads: by distance within it and from the one before, by place from elsewhere."""
    near = begin - period
    return [
        frozenset(
            ("in", source - begin) if source >= begin else ("before", source - begin) if source >= near else ("far", source)
            for source in reads[begin + i]
        )
        for i in range(period)
    ]


def _inner(links: list[frozenset[tuple[str, int]]]) -> list[set[tuple[str, int]]]:
    return [{link for link in each if link[0] == "in"} for each in links]


def _leaks(read_by: Sequence[set[int]], begin: int, period: int) -> bool:
    """Is a repetition read from beyond the next one?"""
    return any(reader >= begin + 2 * period for i in range(period) for reader in read_by[begin + i])
