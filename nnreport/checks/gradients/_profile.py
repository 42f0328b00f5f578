"""The gradient of the weight matrices along the depth of the net; shared by the checks of this group."""

from __future__ import annotations

import math

import msgspec

from nnreport.checks.layers import Matrix, layers
from nnreport.checks.series import finite, median
from nnreport.facts import Facts, ParameterSeries


class Depth(msgspec.Struct, frozen=True):
    """One weight matrix and the size of its gradient."""

    matrix: Matrix
    series: ParameterSeries
    typical: float
    """Median over the observed steps of the rms of its gradient."""


def profile(facts: Facts) -> list[Depth]:
    """The matrices that got a finite, non-zero gradient at most observed steps, in order of execution."""
    if facts.probe is None:
        return []
    series = {each.name: each for each in facts.probe.parameters}
    found = []
    for matrix in layers(facts).matrices:
        own = series.get(matrix.name)
        values = [value for value in finite(own.gradient) if value > 0] if own else []
        if own is not None and values and len(values) > len(own.gradient) / 2:
            typical = median(values)
            if math.isfinite(typical):
                found.append(Depth(matrix=matrix, series=own, typical=typical))
    return found


def share_of_steps(first: ParameterSeries, last: ParameterSeries, ratio: float) -> float:
    """Share of the observed steps at which the first's gradient was under ``ratio`` times the last's."""
    pairs = [
        (a, b)
        for a, b in zip(map(float, first.gradient), map(float, last.gradient), strict=False)
        if math.isfinite(a) and math.isfinite(b) and b > 0
    ]
    return sum(a < ratio * b for a, b in pairs) / len(pairs) if pairs else 0.0
