"""How far one step moves the weights; shared by update-too-small and update-too-large."""

from __future__ import annotations

import msgspec

from nnreport.checks.layers import Matrix, layers
from nnreport.checks.series import finite, late, median
from nnreport.facts import Facts

LEAST_LAYERS = 2
LEAST_STEPS = 3


class Update(msgspec.Struct, frozen=True):
    """One weight matrix and its typical update."""

    matrix: Matrix
    ratio: float
    """Median over the late observed steps of ‖Δw‖ / ‖w‖."""


_last: tuple[Facts, list[Update]] | None = None


def updates(facts: Facts) -> list[Update]:
    """The matrices that started non-zero and got a gradient, in order of execution; the last list is kept for the other check."""
    global _last
    if _last is None or _last[0] is not facts:
        _last = (facts, _updates(facts))
    return _last[1]


def _updates(facts: Facts) -> list[Update]:
    if facts.probe is None:
        return []
    series = {each.name: each for each in facts.probe.parameters}
    found = []
    for matrix in layers(facts).matrices:
        own = series.get(matrix.name)
        if own is None or own.zero_steps or own.none_steps or matrix.stats.norm == 0:
            continue
        values = finite(late(own.update))
        if len(own.update) >= LEAST_STEPS and values:
            found.append(Update(matrix=matrix, ratio=median(values)))
    return found if len(found) >= LEAST_LAYERS else []
