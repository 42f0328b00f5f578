"""Heat maps: layers down, steps across."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nnreport.facts import Number
from nnreport.render import format
from nnreport.render.charts_base import Chart, middle, span, spread_labels
from nnreport.render.svg import INK, MUTED, label, num, picture, tag

#: After Cividis, in 12 steps: even in lightness, the same for colour-blind readers (Nuñez, Anderton and Renslow, 2018).
LEVELS = (
    "#00224e", "#05336f", "#2a4170", "#414f6f", "#575d6d", "#6b6d72", "#7f7c75", "#948d76", "#aa9e73",
    "#c3b16a", "#dcc55b", "#fee838",
)  # fmt: skip
BROKEN = "#d4007f"
"""NaN and Inf: outside of the scale's colours."""
ZERO = "#dfe4ea"
"""Exactly zero, where the scale is logarithmic and has no place for it."""
BAD, NAUGHT = -1, -2
"""Their levels, beside those of :data:`LEVELS`."""
APART = ((NAUGHT, ZERO, "zero"), (BAD, BROKEN, "NaN or Inf"))
"""Level, colour and name of what has no place on the scale."""
ROWS = 240
"""Rows drawn; more are merged with their neighbours, the extreme of each group stands for it."""


def heatmap(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[Number | None]],
    *,
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    show: Callable[[Number | None], str] = format.number,
    corner: str = "layer",
    across: str = "step",
    width: int = 720,
) -> Chart:
    """One cell a value.

    Args:
        name: the title.
        rows, columns: names down and across.
        values: one row of cells per name; None is left blank, non-finite ones have a colour of their own.
        log: the colour follows the logarithm.
        low, high: ends of the colour scale; taken from the values where None.
        show: a value as text.
        corner: what the rows are.
        across: what the columns are.
        width: pixels.
    """
    rows, values, note = _merge(rows, values)
    found = span((value for row in values for value in row), log)
    none = (0.1 if log else 0.0, 1.0)  # nothing is finite: a scale, for the legend alone
    ends = (low if low is not None else found[0], high if high is not None else found[1]) if found else none
    if log and ends[1] / ends[0] > 1e12:
        ends = (ends[1] / 1e12, ends[1])
    room = min(230.0, 14 + 6.2 * max((min(len(row), 34) for row in rows), default=0))
    left, right, top = room, width - 12.0, 26.0
    step_y = max(2.5, min(18.0, 640 / max(1, len(rows))))
    step_x = min(84.0, (right - left) / max(1, len(columns)))
    right = left + step_x * len(columns)
    bottom = top + step_y * len(rows)
    runs = _runs(values, ends, log)
    scale = f"translate({num(left)} {num(top)}) scale({step_x:.4g} {step_y:.4g})"
    cells = "".join(
        tag("path", d=path, stroke={BAD: BROKEN, NAUGHT: ZERO}.get(level) or LEVELS[level], stroke_width=1)
        for level, path in sorted(runs.items())
    )
    parts = [tag("g", cells, transform=scale, shape_rendering="crispEdges")]
    for i in spread_labels(len(rows), max(1, int((bottom - top) / 13))):
        parts.append(label(left - 8, top + step_y * (i + 0.5) + 4, format.elide(rows[i], 34), anchor="end", fill=INK))
    for i in spread_labels(len(columns), max(1, int((right - left) / 34))):
        parts.append(label(left + step_x * (i + 0.5), bottom + 14, columns[i], anchor="middle"))
    parts.append(label((left + right) / 2, bottom + 29, across, anchor="middle"))
    apart = [(colour, words) for level, colour, words in APART if level in runs]
    parts.append(_legend(left, ends, log, show, apart))
    grid = f"{num(left)} {num(top)} {step_x:.4g} {step_y:.4g} {len(rows)} {len(columns)}"
    svg = picture(width, bottom + 36, name, "".join(parts), data_grid=grid)
    table = [[row, *(show(value) for value in cells)] for row, cells in zip(rows, values, strict=True)]
    return Chart(svg, name, [corner, *(f"{across} {column}" for column in columns)], table, "heat", note)


def _merge(rows: Sequence[str], values: Sequence[Sequence[Number | None]]) -> tuple[list[str], list[list[Number | None]], str]:
    if len(rows) <= ROWS:
        return list(rows), [list(row) for row in values], ""
    group = math.ceil(len(rows) / ROWS)
    names, merged = [], []
    for start in range(0, len(rows), group):
        some = values[start : start + group]
        last = rows[min(start + group, len(rows)) - 1]
        names.append(f"{rows[start]} … {last}")
        merged.append([middle(cells) for cells in zip(*some, strict=True)])
    return names, merged, f"Each row stands for {group} layers: their median; one that is not finite shows."


def _level(value: Number | None, ends: tuple[float, float], log: bool) -> int | None:
    if value is None:
        return None
    known = format.finite(value)
    if known is None:
        return BAD
    low, high = ends
    if log:
        if known <= 0:
            return NAUGHT
        known, low, high = math.log10(known), math.log10(low), math.log10(high)
    share = (known - low) / (high - low) if high > low else 0.5
    return min(len(LEVELS) - 1, max(0, int(share * len(LEVELS))))


def _runs(values: Sequence[Sequence[Number | None]], ends: tuple[float, float], log: bool) -> dict[int, str]:
    """Level -> one path of horizontal strokes: a cell costs a few bytes, equal neighbours one stroke."""
    paths: dict[int, list[str]] = {}
    for y, row in enumerate(values):
        start, current = 0, None
        for x, level in enumerate([*(_level(value, ends, log) for value in row), None]):
            if level != current or x == len(row):
                if current is not None:
                    paths.setdefault(current, []).append(f"M{start} {y}.5h{x - start}")
                start, current = x, level
    return {level: "".join(path) for level, path in paths.items()}


def _legend(
    left: float, ends: tuple[float, float], log: bool, show: Callable[[Number | None], str], apart: Sequence[tuple[str, str]]
) -> str:
    low, high = show(ends[0]), show(ends[1])
    at = left + 8 + 6.2 * len(low)
    parts = [label(left, 15, low)]
    parts += [tag("rect", x=at + 9.0 * i, y=5.0, width=9.0, height=12.0, fill=colour) for i, colour in enumerate(LEVELS)]
    parts.append(label(at + 9 * len(LEVELS) + 8, 15, high + (" (log scale)" if log else "")))
    far = at + 9 * len(LEVELS) + 24 + 6.2 * len(high) + (70 if log else 0)
    for colour, words in apart:
        parts.append(tag("rect", x=far, y=5.0, width=12.0, height=12.0, fill=colour) + label(far + 17, 15, words, fill=MUTED))
        far += 40 + 6.2 * len(words)
    return "".join(parts)
