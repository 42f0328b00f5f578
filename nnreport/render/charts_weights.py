"""Distributions: all parameters at one glance, one by one, and the small pictures in table cells."""

from __future__ import annotations

from collections.abc import Sequence

from nnreport.facts import Histogram, Number, WeightStats
from nnreport.render import format
from nnreport.render.charts_base import SERIES, Chart, Scale, quantile, span, spread_labels, tick_label, ticks
from nnreport.render.svg import FAINT, INK, RULE, label, num, picture, tag

FLAT = 0.05
"""A sparkline that moves by less than this share of its largest value looks as flat as it is."""


def strips(name: str, stats: Sequence[WeightStats], *, width: int = 720) -> Chart:
    """One row a parameter: a thin line from the smallest to the largest value, a bar one standard deviation either way, a tick at
    the mean. Lines that leave the picture (beyond the 95th percentile of all extremes) end in an arrow head."""
    extremes = [abs(end) for s in stats for end in (s.minimum, s.maximum)]
    reach = max(quantile(extremes, 0.95), max((s.std for s in stats), default=0.0) * 1.2) if extremes else 1.0
    reach = reach or 1.0
    room = min(230.0, 14 + 6.2 * max((min(len(s.name), 34) for s in stats), default=0))
    left, right, top = room, width - 16.0, 10.0
    step = max(3.0, min(18.0, 800 / max(1, len(stats))))
    bottom = top + step * len(stats)
    xs = Scale(-reach, reach, left, right)
    thin, heads, thick, means = [], [], [], []
    for i, s in enumerate(stats):
        y = num(top + step * (i + 0.5))
        low, high = max(s.minimum, -reach), min(s.maximum, reach)
        if low <= high:
            thin.append(f"M{num(xs(low))} {y}H{num(xs(high))}")
        if s.maximum > reach:
            heads.append(f"M{num(xs(reach) - 4)} {num(top + step * (i + 0.5) - 2.5)}l4 2.5l-4 2.5")
        if s.minimum < -reach:
            heads.append(f"M{num(xs(-reach) + 4)} {num(top + step * (i + 0.5) - 2.5)}l-4 2.5l4 2.5")
        thick.append(f"M{num(xs(s.mean - s.std))} {y}H{num(xs(s.mean + s.std))}")
        means.append(f"M{num(xs(s.mean))} {num(top + step * (i + 0.15))}v{num(0.7 * step)}")
    marks = ticks(-reach, reach, 6)
    grid = "".join(f"M{num(xs(mark))} {num(top)}V{num(bottom)}" for mark in marks)
    parts = [
        tag("path", class_="cg", d=grid, stroke=FAINT, fill="none"),
        tag("path", class_="s0", d="".join(thin), stroke=SERIES[0], stroke_opacity="0.55", fill="none") if thin else "",
        tag("path", class_="s0", d="".join(heads), stroke=SERIES[0], fill="none") if heads else "",
        tag(
            "path",
            class_="s0",
            d="".join(thick),
            stroke=SERIES[0],
            stroke_width=min(8.0, step * 0.55),
            stroke_opacity="0.6",
            fill="none",
        ),
        tag("path", class_="cm", d="".join(means), stroke=INK, stroke_width=1.4, fill="none"),
        tag("path", class_="ca", d=f"M{num(left)} {num(bottom)}H{num(right)}", stroke=RULE, fill="none"),
    ]
    for i in spread_labels(len(stats), max(1, int((bottom - top) / 13))):
        parts.append(label(left - 8, top + step * (i + 0.5) + 4, format.elide(stats[i].name, 34), anchor="end", fill=INK))
    parts += [label(xs(mark), bottom + 15, tick_label(mark), anchor="middle") for mark in marks]
    rows = [
        [s.name, *(format.number(v, 3) for v in (s.minimum, s.mean - s.std, s.mean, s.mean + s.std, s.maximum))] for s in stats
    ]
    svg = picture(width, bottom + 24, name, "".join(parts), data_bars=f"{num(top)} {step:.4g} {len(stats)}")
    return Chart(svg, name, ["parameter", "minimum", "mean − std", "mean", "mean + std", "maximum"], rows, "strips")


def histogram(name: str, data: Histogram, *, x_label: str = "value", width: int = 360, height: int = 150) -> Chart:
    """Counts per bin."""
    left, right, top, bottom = 12.0, width - 12.0, 10.0, height - 36.0
    most = max(data.counts, default=0) or 1
    step = (right - left) / max(1, len(data.counts))
    box = "".join(
        f"M{num(left + i * step)} {num(bottom)}v-{num((bottom - top) * n / most)}h{num(step * 0.92)}V{num(bottom)}z"
        for i, n in enumerate(data.counts)
        if n
    )
    xs = Scale(data.low, data.high, left, right)
    parts = [tag("path", class_="f0", d=box or "M0 0", fill=SERIES[0])]
    parts.append(tag("path", class_="ca", d=f"M{num(left)} {num(bottom)}H{num(right)}", stroke=RULE, fill="none"))
    parts += [label(xs(mark), bottom + 15, tick_label(mark), anchor="middle") for mark in ticks(data.low, data.high, 4)]
    parts.append(label((left + right) / 2, height - 5, x_label, anchor="middle"))
    edge = (data.high - data.low) / max(1, len(data.counts))
    rows = [
        [f"{format.number(data.low + i * edge)} … {format.number(data.low + (i + 1) * edge)}", format.count(n)]
        for i, n in enumerate(data.counts)
    ]
    return Chart(picture(width, height, name, "".join(parts)), name, [x_label, "count"], rows, "bars")


def mini_histogram(data: Histogram | None, name: str = "", *, width: int = 96, height: int = 18, bins: int = 24) -> str:
    """A histogram in a table cell: one filled outline; empty where there is none."""
    if data is None or not any(data.counts):
        return ""
    group = max(1, -(-len(data.counts) // bins))
    counts = [sum(data.counts[i : i + group]) for i in range(0, len(data.counts), group)]
    most, step = max(counts), width / len(counts)
    path, last = f"M0 {height}", height
    for n in counts:
        y = round(height - (height - 1) * n / most)
        y = min(y, height - 1) if n else height  # a lone outlier must not vanish
        path += (f"V{y}" if y != last else "") + f"h{num(step)}"
        last = y
    return picture(
        width, height, name or "histogram", tag("path", class_="f0", d=f"{path}V{height}z", fill=SERIES[0]), class_="mini"
    )


def sparkline(values: Sequence[Number | None], name: str = "", *, width: int = 96, height: int = 18, log: bool = False) -> str:
    """A series in a table cell; gaps where it is not finite, empty where nothing is."""
    ends = span(values, log)
    if ends is None or len(values) < 2:
        return ""
    low, high = ends if log else (min(ends[0], ends[1] - FLAT * abs(ends[1])), ends[1])
    ys = Scale(low, high, height - 2.0, 2.0, log)
    path, pen = "", False
    for i, raw in enumerate(values):
        value = format.finite(raw)
        if value is None or (log and value <= 0):
            pen = False
            continue
        path += f"{' ' if pen else 'M'}{num(i * width / (len(values) - 1))} {num(ys(value))}"
        pen = True
    line = tag("path", class_="s0", d=path, fill="none", stroke=SERIES[0], stroke_width=1.4)
    return picture(width, height, name or "over the steps", line, class_="mini")
