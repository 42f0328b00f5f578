"""Waveforms, series, tokens, rows and scores: what is drawn in lines and letters."""

from __future__ import annotations

from collections.abc import Sequence

from nnreport.facts import Entry, Picture, Raster
from nnreport.render import format
from nnreport.render.charts_base import SERIES
from nnreport.render.pictures_png import levels
from nnreport.render.pictures_tiles import Drawn
from nnreport.render.svg import FAINT, INK, MUTED, RULE, label, num, tag, title

STEP = 18.0
"""Height of a line of text with its mark."""
RUN = 3
"""Equal ids at the end of a sequence that are told as one run."""


def waveform(raster: Raster | None, room: float) -> Drawn | None:
    """[2, time]: smallest and largest of each stretch, as one outline."""
    data = levels(raster)
    if data is None or raster is None or len(raster.shape) != 2 or raster.shape[0] != 2:
        return None
    count = raster.shape[1]
    tall, left = 90.0, 48.0
    xs = [left + (room - left) * i / max(1, count - 1) for i in range(count)]

    def y(level: int) -> float:
        return tall * (1 - (127 if level == 255 else level) / 254)

    lows, highs = data[:count], data[count:]
    flat = lows == highs
    forth = [f"{num(x)} {num(y(level))}" for x, level in zip(xs, highs, strict=True)]
    back = [] if flat else [f"{num(x)} {num(y(level) + 0.6)}" for x, level in zip(reversed(xs), reversed(lows), strict=True)]
    path = "M" + "L".join(forth + back) + ("" if flat else "Z")
    fill = "none" if flat else SERIES[0]
    curve = tag("path", d=path, class_="s0" if flat else "f0 s0", stroke=SERIES[0], stroke_width=1, fill=fill)
    texts = label(left - 6, 10, format.number(raster.high[0], 2), anchor="end")
    texts += label(left - 6, tall, format.number(raster.low[0], 2), anchor="end")
    zero = raster.low[0] < 0 < raster.high[0]
    rule = ""
    if zero:
        at = tall * raster.high[0] / (raster.high[0] - raster.low[0])
        rule = tag("path", d=f"M{num(left)} {num(at)}H{num(room)}", class_="cg", stroke=RULE)
    return Drawn(rule + curve + texts, room, tall + 4)


def series(raster: Raster | None, room: float) -> Drawn | None:
    """[feature, time]: small multiples, each on a scale of its own."""
    data = levels(raster)
    if data is None or raster is None or len(raster.shape) != 2 or len(raster.low) not in (1, raster.shape[0]):
        return None
    features, count = raster.shape
    columns = 1 if features == 1 else 2
    wide, tall, left = (room - 20.0 * (columns - 1)) / columns, 54.0, 46.0
    parts = []
    for k in range(features):
        x0, y0 = (k % columns) * (wide + 20), (k // columns) * (tall + 22) + 13
        low, high = raster.low[k % len(raster.low)], raster.high[k % len(raster.high)]
        points, pen = [], "M"
        for i in range(count):
            level = data[k * count + i]
            if level == 255:
                pen = "M"
                continue
            x = x0 + left + (wide - left) * i / max(1, count - 1)
            points.append(f"{pen}{num(x)} {num(y0 + tall * (1 - level / 254))}")
            pen = "L"
        parts.append(tag("rect", class_="cb", fill=FAINT, x=x0 + left, y=y0, width=wide - left, height=tall))
        parts.append(tag("path", d="".join(points) or "M0 0", class_="s0", fill="none", stroke=SERIES[0], stroke_width=1.3))
        parts.append(label(x0 + left, y0 - 3, f"feature {k}" if features > 1 else "", size=10))
        parts.append(label(x0 + left - 5, y0 + 9, format.number(high, 2), anchor="end", size=10))
        parts.append(label(x0 + left - 5, y0 + tall, format.number(low, 2), anchor="end", size=10))
    lines = -(-features // columns)
    return Drawn("".join(parts), room, lines * (tall + 22))


def run_of(ids: Sequence[int]) -> int:
    """How many equal ids a sequence ends with."""
    count = 0
    for each in reversed(ids):
        if each != ids[-1]:
            break
        count += 1
    return count


def tokens(picture: Picture, names: Sequence[str], room: float) -> Drawn | None:
    """Ids in cells, a sequence a line; a run at the end is one cell that says how long it is."""
    rows = [ids for ids in picture.tokens if ids]
    if not rows:
        return None
    left = 70.0 if names else 0.0
    digits = max(len(str(each)) for ids in rows for each in ids)
    cell = 10 + 6.2 * digits
    fits = max(4, int((room - left - 60) / cell))
    parts: list[str] = []
    for k, ids in enumerate(rows):
        y = k * (STEP + 4)
        if k < len(names):
            parts.append(label(0, y + 13, names[k], size=10))
        run = run_of(ids)
        short = run >= RUN and len(ids) > 1
        written = ids[: len(ids) - run + 1] if short else ids
        cut = len(written) > fits
        written = written[:fits]
        boxes = "".join(
            f"M{num(left + i * cell)} {num(y)}h{num(cell - 2)}v{num(STEP)}h{num(2 - cell)}z" for i in range(len(written))
        )
        parts.append(tag("path", d=boxes, class_="cb", fill=FAINT))
        parts += [
            label(left + i * cell + (cell - 2) / 2, y + 13, each, anchor="middle", fill=INK) for i, each in enumerate(written)
        ]
        end = left + len(written) * cell + 4
        if short and not cut:
            parts.append(
                label(end, y + 13, f"× {run}" + ("" if picture.length <= len(ids) else " …"), fill=INK, font_weight="600")
            )
        elif cut or picture.length > len(ids):
            parts.append(label(end, y + 13, "…"))
    return Drawn("".join(parts), room, len(rows) * (STEP + 4))


def dots(row: Sequence[Entry], names: Sequence[str], room: float) -> Drawn | None:
    """A line an entry: a dot for the value, a thin line for its column's range, a ring for what it was to be.

    With ranges each line has a scale of its own; without, all share one.
    """
    if not row:
        return None
    own = all(entry.low is not None for entry in row)
    known = [v for entry in row for v in (format.finite(entry.value), format.finite(entry.target)) if v is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    low, high = (min(low, 0.0), max(high, 0.0)) if not own else (low, high)
    left = 12 + 6.6 * max(len(name) for name in names)
    text = 12 + 6.2 * max(len(said(entry, own)) for entry in row)
    right = room - text
    parts = []
    for i, entry in enumerate(row):
        y = i * STEP
        a, b = (entry.low or 0.0, entry.high or 0.0) if own else (low, high)

        def x(value: float, a: float = a, b: float = b) -> float:
            return left + (right - left) * (min(1.0, max(0.0, (value - a) / (b - a))) if b > a else 0.5)

        parts.append(label(left - 8, y + 13, names[i], anchor="end", fill=INK))
        line = f"M{num(left)} {num(y + 9)}H{num(right)}"
        marks = tag("path", d=line, class_="cg", stroke=RULE)
        if not own and low < 0 < high:
            marks += tag("path", d=f"M{num(x(0))} {num(y + 3)}v12", class_="ca", stroke=RULE)
        value, wanted = format.finite(entry.value), format.finite(entry.target)
        if value is not None:
            marks += tag("circle", cx=x(value), cy=y + 9, r=4.0, class_="f0", fill=SERIES[0])
        if wanted is not None:
            ring = tag("circle", cx=x(wanted), cy=y + 9, r=5.5, class_="s1", fill="none", stroke=SERIES[1], stroke_width=1.6)
            marks += ring
        parts.append(tag("g", title(f"{names[i]}: {said(entry, own)}") + marks))
        parts.append(label(right + 8, y + 13, said(entry, own), size=10))
    return Drawn("".join(parts), room, len(row) * STEP + 2)


def said(entry: Entry, own: bool) -> str:
    """``0.3, of −1 … 2``; ``0.3, target 1``."""
    text = format.number(entry.value)
    if own:
        text += f", of {format.number(entry.low)} … {format.number(entry.high)}"
    if entry.target is not None:
        text += f", target {format.number(entry.target)}"
    return text


def scores(rows: Sequence[Sequence[Entry]], labels: Sequence[str], shares: bool, room: float) -> Drawn | None:
    """The largest entries of each sample as bars, two samples side by side; the target's has a mark.

    Args:
        rows: entries by sample, the largest first.
        labels: the target class of each sample, as text; empty where it is not known.
        shares: bars are the softmax shares, else the values over the largest of all.
        room: pixels across.
    """
    rows = [row for row in rows if row]
    if not rows:
        return None
    columns = 1 if len(rows) == 1 else 2
    wide = (room - 24.0 * (columns - 1)) / columns
    values = [abs(v) for row in rows for entry in row if (v := format.finite(entry.value)) is not None]
    most = max(values, default=1.0) or 1.0
    deep = max(len(row) for row in rows)
    block = (deep + 1) * STEP + 10
    parts = []
    for k, row in enumerate(rows):
        x0, y0 = (k % columns) * (wide + 24), (k // columns) * block
        target = labels[k] if k < len(labels) else ""
        parts.append(label(x0, y0 + 12, f"sample {k}" + (f", target {target}" if target else ""), fill=INK, font_weight="600"))
        left, right = x0 + 66, x0 + wide - 118
        for i, entry in enumerate(row):
            y = y0 + (i + 1) * STEP
            hit = bool(target) and str(entry.index) == target
            part = entry.share if shares else abs(format.finite(entry.value) or 0.0) / most
            length = max(0.0, min(1.0, part or 0.0)) * (right - left)
            parts.append(label(left - 6, y + 12, f"class {entry.index}", anchor="end", fill=INK if hit else MUTED))
            bars = tag("rect", class_="cb", x=left, y=y + 2, width=right - left, height=12.0, fill=FAINT)
            if length > 0.3:
                k_ = 1 if hit else 0
                bars += tag("rect", class_=f"f{k_}", x=left, y=y + 2, width=length, height=12.0, fill=SERIES[k_])
            parts.append(bars)
            share = f" ({format.percent(entry.share, 0)})" if shares and entry.share is not None else ""
            parts.append(label(right + 6, y + 12, format.number(entry.value) + share + (" ◂" if hit else ""), size=10))
    return Drawn("".join(parts), room, -(-len(rows) // columns) * block)
