"""Horizontal bars, plain or in segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnreport.render import format
from nnreport.render.charts_base import SERIES, Chart
from nnreport.render.svg import FAINT, INK, label, num, picture, tag, title


class Bar(NamedTuple):
    """One bar of one or more segments."""

    name: str
    values: Sequence[float]
    """One per segment, not negative."""
    text: str
    """What is written behind the bar."""
    tip: str = ""


def bars(
    name: str,
    items: Sequence[Bar],
    segments: Sequence[str],
    *,
    unit: str = "",
    width: int = 720,
    limit: int = 20,
    most: float = 0.0,
) -> Chart:
    """Bars from the longest common zero; the table holds all of them, the picture the first ``limit``.

    Args:
        name: the title.
        items: in the order in which they are drawn.
        segments: names of the parts that a bar is made of.
        unit: what a value is, for the table's head.
        width: pixels.
        limit: bars drawn.
        most: what the full length stands for; the longest bar where 0.
    """
    drawn = list(items[:limit])
    longest = most or max((sum(item.values) for item in drawn), default=0.0) or 1.0
    name_room = min(240.0, 12 + 6.4 * max((min(len(item.name), 36) for item in drawn), default=0))
    text_room = 12 + 6.4 * max((len(item.text) for item in drawn), default=0)
    left, right = name_room, width - text_room
    top, step = (24.0 if len(segments) > 1 else 6.0), 22.0
    parts = []
    for i, item in enumerate(drawn):
        y, at = top + i * step, left
        parts.append(label(left - 8, y + 13, format.elide(item.name, 36), anchor="end", fill=INK))
        boxes = [tag("rect", class_="cb", x=left, y=y + 2, width=right - left, height=step - 6, fill=FAINT)]
        for k, value in enumerate(item.values):
            length = (right - left) * max(0.0, value) / longest
            if length > 0.05:
                boxes.append(
                    tag("rect", class_=f"f{k % 6}", x=at, y=y + 2, width=max(length, 1.0), height=step - 6, fill=SERIES[k % 6])
                )
            at += length
        parts.append(tag("g", title(item.tip or f"{item.name}: {item.text}") + "".join(boxes)))
        parts.append(label(right + 8, y + 13, item.text))
    if len(segments) > 1:
        at = left
        for k, segment in enumerate(segments):
            parts.append(tag("rect", class_=f"f{k % 6}", x=at, y=5.0, width=11.0, height=11.0, fill=SERIES[k % 6]))
            parts.append(label(at + 16, 14, segment, fill=INK))
            at += 36 + 6.2 * len(segment)
    head = ["name", *(f"{segment} ({unit})" if unit else segment for segment in segments), "total"]
    rows = [[item.name, *(format.number(value) for value in item.values), item.text] for item in items]
    more = f"The first {limit} of {len(items)} are drawn; the table has all." if len(items) > limit else ""
    height = top + step * len(drawn) + 4
    grid = f"{num(top)} {num(step)} {len(drawn)}"
    return Chart(picture(width, height, name, "".join(parts), data_bars=grid), name, head, rows, "bars", more)
