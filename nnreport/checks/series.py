"""Reading series of numbers: what may be non-finite, what is late, what a reader is shown."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from nnreport.facts import Facts, Number


def real(number: Number) -> float:
    """The float that a :data:`~nnreport.facts.Number` stands for (``"nan"`` and ``"inf"`` become themselves)."""
    return float(number)


def reals(series: Iterable[Number]) -> list[float]:
    """The floats of a series, non-finite ones among them."""
    return [float(number) for number in series]


def finite(series: Iterable[Number]) -> list[float]:
    """The finite floats of a series."""
    return [value for value in map(float, series) if math.isfinite(value)]


def median(values: Sequence[float]) -> float:
    """The median; of an even number of values the mean of the middle two.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("the median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def late(series: Sequence[Number], share: float = 0.5) -> list[Number]:
    """The last ``share`` of a series, at least one entry of a series that has any."""
    return list(series[len(series) - max(1, round(len(series) * share)) :]) if series else []


def figure(value: float, digits: int = 3) -> str:
    """A number as a message shows it: ``0.0123``, ``1.3e-07``, ``4,500``, ``nan``."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.{digits - 1}e}"
    if size >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.0f}"


def percent(share: float) -> str:
    """A share as a message shows it: ``93 %``, ``0.4 %``; never ``100 %`` for what is not quite all, nor ``0 %`` for a few."""
    value = 100 * share
    if value >= 99.5 and share < 1:
        return f"{min(value, 99.9):.1f} %"
    if 0 < value < 1:
        return f"{max(value, 0.1):.1f} %"
    return f"{value:.0f} %"


def slope_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Slope per entry of the least-squares line, and the standard deviation of what the line leaves over."""
    count = len(values)
    if count < 3:
        return 0.0, 0.0
    centre, mean = (count - 1) / 2, math.fsum(values) / count
    slope = math.fsum((i - centre) * (v - mean) for i, v in enumerate(values)) / math.fsum(
        (i - centre) ** 2 for i in range(count)
    )
    rest = math.fsum((v - mean - slope * (i - centre)) ** 2 for i, v in enumerate(values))
    return slope, math.sqrt(rest / count)


def falling_share(values: Sequence[float]) -> float:
    """Share of the steps between neighbours that go down; 0 for fewer than two values."""
    steps = list(itertools.pairwise(values))
    return sum(b < a for a, b in steps) / len(steps) if steps else 0.0


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def spread_in_training(facts: Facts, module: str) -> float:
    """Spread between the samples of the probe's batch in that module's output before the first update; 0 where unknown."""
    series = facts.probe.activations if facts.probe else []
    return max((first for each in series if each.module == module for first in finite(each.spread[:1])), default=0.0)
