"""Lines over steps or over depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from nnreport.facts import Number
from nnreport.render import format
from nnreport.render.charts_base import DASHES, SERIES, Chart, Scale, log_ticks, span, spread_labels, tick_label, ticks
from nnreport.render.svg import ERROR, FAINT, INK, MUTED, RULE, label, num, picture, tag, title

MARKS = 60
"""Values of a sparse series that are marked, each by a dot."""


class Line(NamedTuple):
    """One series; entries that are None or not finite are gaps."""

    name: str
    values: Sequence[Number | None]
    style: int = -1
    """Index of its colour and dash; −1: its place."""
    sparse: bool = False
    """It has values at some of the steps only: those are joined, and marked if they are few."""


class Level(NamedTuple):
    """A horizontal line to compare with: a floor, a baseline, a limit."""

    value: float
    name: str


def line(
    name: str,
    series: Sequence[Line],
    x: Sequence[float],
    *,
    x_label: str = "step",
    y_label: str = "",
    log: bool = False,
    levels: Sequence[Level] = (),
    names: Sequence[str] | None = None,
    width: int = 720,
    height: int = 260,
) -> Chart:
    """Lines over ``x``.

    Args:
        name: the title, also the alternative text.
        series: at most six lines.
        x: where each entry stands (steps, or indices of layers).
        x_label, y_label: what the axes are.
        log: logarithmic y axis; values that are not positive are gaps.
        levels: horizontal lines with their names.
        names: names of the points, where they are layers rather than steps.
        width, height: pixels.
    """
    rows = [
        [names[i] if names else format.number(at), *(format.number(s.values[i], 4) if i < len(s.values) else "" for s in series)]
        for i, at in enumerate(x)
    ]
    head = [x_label, *(s.name for s in series)]
    left, right, top, bottom = 62.0, width - 16.0, 26.0, height - 40.0
    shown = [level for level in levels if not log or level.value > 0]
    ends = span([*(value for s in series for value in s.values), *(level.value for level in shown)], log)
    if ends is None or not x:
        empty = label(width / 2, height / 2, "nothing finite to draw", anchor="middle")
        return Chart(picture(width, height, name, empty), name, head, rows, "line")
    low, high = ends
    if not log:
        low, high = (0.0 if 0 < low < 0.5 * high else low), high + 0.04 * (high - low)
    ys, xs = Scale(low, high, bottom, top, log), Scale(min(x), max(x), left, right)
    parts = [_grid(ys, left, right)]
    parts += _x_axis(xs, x, names, x_label, left, right, bottom, height)
    parts.append(label(left - 46, top - 12, y_label + (" (log scale)" if log else "")))
    for i, level in enumerate(shown):
        y = ys(level.value)
        parts.append(
            tag("path", class_="cl", d=f"M{num(left)} {num(y)}H{num(right)}", stroke=MUTED, stroke_dasharray="2 4", fill="none")
        )
        parts.append(
            label(
                right, y - 4 if i % 2 == 0 or len(shown) == 1 else y + 12, level.name, anchor="end", size=10.5, class_="ct halo"
            )
        )
    for i, s in enumerate(series):
        parts.append(_curve(s, i, x, xs, ys, log, top + 14 * i, alone=len(series) == 1))
    if len(series) > 1:
        parts.append(_legend(series, right, top))
    grid = f"{num(left)} {num(right)} {num(top)} {num(bottom)}"
    gaps = {b - a for a, b in pairwise(x)}
    at = " ".join(format.number(value).replace(",", "") for value in x) if len(gaps) > 1 else None
    svg = picture(width, height, name, "".join(parts), data_plot=grid, data_x=at)
    return Chart(svg, name, head, rows, "line")


def _grid(ys: Scale, left: float, right: float) -> str:
    marks = log_ticks(ys.low, ys.high) if ys.log else ticks(ys.low, ys.high)
    lines = "".join(f"M{num(left)} {num(ys(mark))}H{num(right)}" for mark in marks)
    labels = "".join(label(left - 8, ys(mark) + 4, tick_label(mark, ys.log), anchor="end") for mark in marks)
    return tag("path", class_="cg", d=lines, stroke=FAINT, fill="none") + labels


def _x_axis(
    xs: Scale,
    x: Sequence[float],
    names: Sequence[str] | None,
    x_label: str,
    left: float,
    right: float,
    bottom: float,
    height: int,
) -> list[str]:
    parts = [tag("path", class_="ca", d=f"M{num(left)} {num(bottom)}H{num(right)}", stroke=RULE, fill="none")]
    if names:
        room = 4 if max(map(len, names)) > 14 else 7
        for k, i in enumerate(spread_labels(len(x), room)):
            anchor = "start" if k == 0 and len(x) > 1 else "end" if i == len(x) - 1 else "middle"
            parts.append(label(xs(x[i]), bottom + 16, format.elide(names[i], 22), anchor=anchor))
    else:
        marks = [mark for mark in ticks(min(x), max(x), 6) if mark == int(mark)]
        parts += [label(xs(mark), bottom + 16, tick_label(mark), anchor="middle") for mark in marks]
    parts.append(label((left + right) / 2, height - 6, x_label, anchor="middle"))
    return parts


def _curve(s: Line, place: int, x: Sequence[float], xs: Scale, ys: Scale, log: bool, top: float, alone: bool) -> str:
    style = (s.style if s.style >= 0 else place) % len(SERIES)
    path, pen, dots, lost = [], False, [], None
    marked = s.sparse and sum(value is not None for value in s.values) <= MARKS
    for at, raw in zip(x, s.values, strict=False):
        value = format.finite(raw)
        if value is None or (log and value <= 0):
            pen = pen and s.sparse and raw is None
            if isinstance(raw, str) and lost is None:
                lost = (at, raw)
            continue
        path.append(f"{'L' if pen else 'M'}{num(xs(at))} {num(ys(value))}")
        pen = True
        if len(s.values) == 1 or marked:
            dots.append(tag("circle", class_=f"f{style}", cx=xs(at), cy=ys(value), r=2.5 if marked else 3.5, fill=SERIES[style]))
    out = tag(
        "path",
        class_=f"s{style}",
        d="".join(path).replace("L", " ") if path else "M0 0",
        fill="none",
        stroke=SERIES[style],
        stroke_width=1.8,
        stroke_linejoin="round",
        stroke_dasharray=DASHES[style],
    )
    if lost:
        at, raw = lost
        mark = f"M{num(xs(at) - 5)} {num(top + 2)}l10 10m0 -10l-10 10"
        out += tag(
            "path",
            title(f"{s.name}: {format.number(raw)} from {at:g}"),
            class_="ce",
            d=mark,
            stroke=ERROR,
            stroke_width=2,
            fill="none",
        )
        words = f"{format.number(raw)} from here" if alone else f"{s.name}: {format.number(raw)}"
        side = "end" if xs(at) > (xs.start + xs.end) / 2 else "start"
        out += label(
            xs(at) + (-9 if side == "end" else 9),
            top + 11,
            words,
            anchor=side,
            fill=ERROR,
            class_="cet",
        )
    return out + "".join(dots)


def _legend(series: Sequence[Line], right: float, top: float) -> str:
    parts, at = [], right
    for i in range(len(series) - 1, -1, -1):
        style = (series[i].style if series[i].style >= 0 else i) % len(SERIES)
        name = format.elide(series[i].name, 30)
        at -= 6.2 * len(name)
        parts.append(label(at, top - 12, name, fill=INK))
        swatch = f"M{num(at - 28)} {num(top - 16)}h22"
        parts.append(
            tag(
                "path",
                class_=f"s{style}",
                d=swatch,
                stroke=SERIES[style],
                stroke_width=2,
                stroke_dasharray=DASHES[style],
                fill="none",
            )
        )
        at -= 44
    return "".join(parts)
