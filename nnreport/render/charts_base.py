"""What the charts share: the record of one, scales, ticks and colours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nnreport.facts import Number
from nnreport.render.format import SI, finite, scaled, significant

#: Okabe and Ito's palette, darkened where it is under 3:1 on white: colour-blind readers tell them apart.
#: The dashes do so without any colour.
SERIES = ("#0067a3", "#c24e00", "#007a5a", "#8f4a86", "#7a6500", "#3d3d3d")
DASHES = (None, "6 3", "2 3", "8 3 2 3", "1 3", "12 4")


class Chart(NamedTuple):
    """A picture and its numbers."""

    svg: str
    title: str
    head: list[str]
    """Column names of the table; the first names the rows."""
    rows: list[list[str]]
    kind: str
    """``line``, ``bars``, ``heat``, ``strips``: how the script finds the row under the pointer."""
    note: str = ""
    """A sentence for the caption."""


class Scale(NamedTuple):
    """Values to pixels, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(max(part, 1e-300)) if self.log else part for part in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(1.02, max(-0.02, share)) * (self.end - self.start)


def span(values: Iterable[Number | None], log: bool = False) -> tuple[float, float] | None:
    """Smallest and largest finite value (positive ones only on a log scale), widened where they are one."""
    known = [v for v in (finite(value) for value in values) if v is not None and (v > 0 or not log)]
    if not known:
        return None
    low, high = min(known), max(known)
    if log:
        return (low / 2, high * 2) if high / low < 1.5 else (low, high)
    if high - low <= 1e-12 * max(abs(high), abs(low)):
        pad = abs(high) / 10 or 1.0
        return low - pad, high + pad
    return low, high


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that cover ``low … high``."""
    raw = (high - low) / max(1, wanted)
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) if abs(step) > 1e-9 else i * step for i in range(first, last + 1)][:12]


def log_ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Powers of ten in ``low … high``; where there are under two, 1-2-5 steps."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        step = max(1, math.ceil((last - first + 1) / wanted))
        return [10.0**power for power in range(first, last + 1, step)]
    steps = [factor * 10.0**power for power in range(first - 1, last + 2) for factor in (1, 2, 5)]
    fitting = [step for step in steps if low <= step <= high]
    return fitting if len(fitting) > 1 else ticks(low, high, 4)


def tick_label(value: float, log: bool = False) -> str:
    """A tick as short as it reads well; powers of ten far from 1 as such."""
    if value == 0:
        return "0"
    power = math.log10(abs(value))
    if log and (power < -3 or power > 4) and abs(power - round(power)) < 1e-9:
        return f"1e{round(power)}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.10g}".replace("-", "−") if abs(value) >= 1 else f"{value:.4g}".replace("-", "−")
    if 1e5 <= abs(value) < 1e15:
        return scaled(value, SI, 1000).replace("-", "−")
    return re.sub(r"\.0(?=e)|(?<=e-)0", "", significant(value, 2)) if log else significant(value, 2).replace("-", "−")


def spread_labels(count: int, room: int) -> list[int]:
    """Indices of the labels to write where only ``room`` of ``count`` fit."""
    every = max(1, math.ceil(count / max(1, room)))
    return list(range(0, count, every))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(cells: Sequence[Number | None]) -> Number | None:
    """The median of neighbours that share a place; one that is not finite shows."""
    broken = [cell for cell in cells if isinstance(cell, str)]
    known = sorted(cell for cell in cells if isinstance(cell, int | float))
    return broken[0] if broken else known[len(known) // 2] if known else None
