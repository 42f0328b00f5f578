"""The pictures of the PDF: charts and diagrams at a size that can be read on A4.

An SVG goes in as an image, which takes WeasyPrint less than half the memory of an inline one. A diagram that is too tall for a
page is cut into pages; one that is too wide goes on a page turned to landscape, and what its boxes hold follows enlarged.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import NamedTuple

from nnreport.facts import ActivationSeries, Facts, Number
from nnreport.render import format, watched
from nnreport.render.charts import Bar, Chart, Level, Line, bars, heatmap, line, strips
from nnreport.render.diagram import Drawn, diagram
from nnreport.render.page_findings import located
from nnreport.report import Report

PORTRAIT, LANDSCAPE = (658.0, 830.0), (960.0, 520.0)
"""Room for a figure on A4 in CSS pixels, width and height, upright and turned, with its caption."""
READABLE = 0.62
"""Smallest scale at which a diagram's 11-pixel labels can be read on paper (6.8 pixels are 5 points)."""
INSIDE = 0.88
"""Scale of what a box holds: two rows of usual blocks fit a page."""
OVERLAP = 24.0
"""Pixels that one strip of a cut diagram shares with the next, where it is cut through boxes."""
PIECES = 4
"""Most pieces of one level."""
LEVELS = 14
"""Levels drawn after the overview."""
STRIPS = 55
"""Parameters in one figure of distributions: what fits a page."""
STRIP_FIGURES = 3
BARS = 20
RUN_WIDTH = 720
ZERO_KINDS = ("ReLU", "ReLU6", "LeakyReLU", "PReLU", "GELU", "SiLU", "Mish", "ELU", "Hardswish", "Threshold")


class Figure(NamedTuple):
    """An image with its caption; the caption is also its alternative text."""

    caption: str
    source: str
    """``data:`` address of the SVG."""
    width: float
    """CSS pixels on the page."""
    height: float
    landscape: bool = False
    note: str = ""

    @property
    def place(self) -> str:
        """Class of its frame: narrow ones stand beside each other."""
        narrow = {"third": 205.0, "half": 315.0}
        return "landscape" if self.landscape else next((name for name, most in narrow.items() if self.width <= most), "")


def chart_figure(chart: Chart, width: float = PORTRAIT[0]) -> Figure:
    """A chart over the whole width, or smaller where it would not fit the page's height."""
    drawn, height = size_of(chart.svg)
    scale = min(width / drawn, PORTRAIT[1] / height)
    return Figure(chart.title, address(chart.svg), drawn * scale, height * scale, note=chart.note)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of an SVG's view box."""
    match = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"', svg)
    return (max(1.0, float(match[1])), max(1.0, float(match[2]))) if match else PORTRAIT


def address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


# --------------------------------------------------------------------------------------------------------- architecture


def architecture(report: Report) -> tuple[list[Figure], str]:
    """The overview and the levels below it, each unique block once; and why there is none, where there is none."""
    findings = located(report.findings, report.facts.graph)
    drawn = diagram(report.facts, findings, [f"finding-{i + 1}" for i in range(len(findings))])
    figures = []
    for level in drawn.levels[: LEVELS + 1]:
        figures += level_figures(level)
    left = len(drawn.levels) - LEVELS - 1
    if left > 0 and figures:
        note = f"{format.plural(left, 'smaller level')} more: see the HTML report."
        figures[-1] = figures[-1]._replace(note=f"{figures[-1].note} {note}".strip())
    return figures, drawn.missing


def level_figures(level: Drawn) -> list[Figure]:
    """One level on as many pages as it takes to be readable."""
    width, height = size_of(level.svg)
    caption = caption_of(level)
    for room, turned in ((PORTRAIT, False), (LANDSCAPE, True)):
        scale = min(1.0 if level.above is None else INSIDE, room[0] / width, room[1] / height)
        if scale >= READABLE:
            return [Figure(caption, address(level.svg), width * scale, height * scale, turned)]
    # Too long for one page: upright if it is tall, turned if it is wide.
    turned = width / LANDSCAPE[0] > height / LANDSCAPE[1] or width * READABLE > PORTRAIT[0]
    room = LANDSCAPE if turned else PORTRAIT
    scale = max(min(1.0, room[0] / width), READABLE)
    if width * scale > room[0] + 1:  # wider than a turned page: as large as it gets, its parts follow
        scale = min(room[0] / width, room[1] / height)
        note = "Scaled to the page; what its boxes hold follows enlarged."
        return [Figure(caption, address(level.svg), width * scale, height * scale, turned, note)]
    strips = cuts(level.svg, height, room[1] / scale)
    figures = []
    for i, (top, tall) in enumerate(strips[:PIECES]):
        piece = f"{caption}, part {i + 1} of {len(strips)}"
        note = "The rest is in the HTML report." if len(strips) > PIECES and i == PIECES - 1 else ""
        figures.append(Figure(piece, address(window(level.svg, top, width, tall)), width * scale, tall * scale, turned, note))
    return figures


def cuts(svg: str, height: float, most: float) -> list[tuple[float, float]]:
    """(top, height) of the strips that a tall diagram is cut into: between boxes, where no box stands beside the gap. What lies
    in the gap (an arrow, a shape, a heading) is on both strips."""
    found = re.findall(r' y="([\d.]+)" width="[\d.]+" height="([\d.]+)" class="bx"', svg)
    boxes = sorted((float(y), float(y) + float(tall)) for y, tall in found)
    gaps, end = [], 0.0
    for top, bottom in boxes:
        if top > end + 8 and end:
            gaps.append((end + 2, top - 2))
        end = max(end, bottom)
    strips, start = [], 0.0
    while height - start > most:
        fitting = [gap for gap in gaps if start + most / 2 < gap[1] <= start + most and gap[0] > start]
        following, until = fitting[-1] if fitting else (start + most - OVERLAP, start + most)
        strips.append((start, until - start))
        start = following
    return [*strips, (start, height - start)]


def caption_of(level: Drawn) -> str:
    """What a level shows: ``Block, as in blocks.0, blocks.1 … (6 times)``."""
    if level.above is None:
        return f"Overview of {format.elide(level.title, 60)}"
    paths = [format.elide(path, 50) for path in level.paths if path]
    times = f" and {len(paths) - 2} more like it" if len(paths) > 2 else ""
    where = f": {', '.join(paths[:2])}{times}" if paths else ""
    return f"{format.elide(level.title, 60)}{where}" + (f" ({level.part})" if level.part else "")


def window(svg: str, top: float, width: float, height: float) -> str:
    """The same picture, of which a horizontal strip is seen."""
    head, rest = svg.split(">", 1)
    values = {"viewBox": f"0 {top:.1f} {width:.1f} {height:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    for name, value in values.items():
        head = re.sub(rf' {name}="[^"]*"', f' {name}="{value}"', head, count=1)
    return f"{head}>{rest}"


# ------------------------------------------------------------------------------------------------------------- training


def training(facts: Facts) -> list[Figure]:
    """Loss, gradient norm, and layers × steps for gradients, updates and activations."""
    probe = facts.probe
    charts = []
    if facts.run is not None:
        drawn = watched.loss_chart(facts, watched.wide(facts.run), RUN_WIDTH)
        charts = [chart for chart in (drawn, *watched.further_charts(facts.run, RUN_WIDTH)) if chart is not None]
    if probe is None:
        return [chart_figure(chart) for chart in charts]
    if len(probe.losses) > 1 and facts.run is None:
        charts.append(loss_chart(facts))
    if probe.gradient_norms and facts.run is None:
        steps = list(range(len(probe.gradient_norms)))
        norm = Line("gradient norm", probe.gradient_norms)
        charts.append(line("Norm of the whole gradient", [norm], steps, y_label="norm", log=True, height=200))
    columns = [str(step) for step in probe.observed]
    for name, values in (
        ("Gradient of each parameter (rms)", [series.gradient for series in probe.parameters]),
        ("Update of each parameter, over its weight (norms)", [series.update for series in probe.parameters]),
    ):
        if any(values) and columns:
            names = [series.name for series in probe.parameters]
            charts.append(heatmap(name, names, columns, padded(values, len(columns)), log=True, corner="parameter"))
    if probe.activations and columns:
        names = [activation_name(series) for series in probe.activations]
        deviations = padded([series.std for series in probe.activations], len(columns))
        charts.append(heatmap("Standard deviation of each activation", names, columns, deviations, log=True))
        charts += zero_charts(probe.activations, columns)
    return [chart_figure(chart) for chart in charts]


def loss_chart(facts: Facts) -> Chart:
    """The loss over the steps, beside other learning rates and the best constant prediction where they are known."""
    probe, experiments = facts.probe, facts.experiments
    assert probe is not None
    rate = f"learning rate {probe.optimizer.learning_rate:g}" if probe.optimizer else "as trained"
    series = [Line(rate, probe.losses)]
    levels = []
    if experiments:
        others = [trial for trial in experiments.rates[:3] if trial.losses]
        series += [Line(f"learning rate {trial.learning_rate:g}", trial.losses) for trial in others]
        if experiments.baseline_loss is not None:
            levels.append(Level(experiments.baseline_loss, "best constant prediction"))
    known = [value for s in series for value in map(format.finite, s.values) if value is not None]
    log = bool(known) and min(known) > 0 and max(known) / min(known) > 50
    steps = list(range(max(len(s.values) for s in series)))
    return line("Loss over the steps", series, steps, y_label="loss", log=log, levels=levels)


def zero_charts(activations: Sequence[ActivationSeries], columns: Sequence[str]) -> list[Chart]:
    """How much of each activation is exactly zero, where an activation can be."""
    some = [series for series in activations if series.kind in ZERO_KINDS and any(series.zeros)]
    if not some:
        return []
    values = padded([series.zeros for series in some], len(columns))
    names = [activation_name(series) for series in some]
    return [heatmap("Share of zeros in each activation", names, columns, values, low=0.0, high=1.0, show=share)]


def share(value: Number | None) -> str:
    return format.percent(format.finite(value), 0)


def activation_name(series: ActivationSeries) -> str:
    """Module path, with the operation where it is functional."""
    name = format.module(series.module)
    return f"{name} {series.node}" + (f" {series.nth + 1}" if series.nth else "") if series.node else name


def padded(values: Sequence[Sequence[Number]], columns: int) -> list[list[Number | None]]:
    """Rows of the same length; a series may have ended early."""
    return [[*row[:columns], *[None] * (columns - len(row))] for row in values]


# ----------------------------------------------------------------------------------------------------- weights, profile


def weights(facts: Facts) -> list[Figure]:
    """The distributions of all parameters, a page at a time."""
    if facts.weights is None:
        return []
    stats = [each for each in facts.weights.stats if each.kind == "parameter" and each.count]
    stats = [each for each in stats if each.minimum != each.maximum] or stats  # fresh norms: all one, all zero
    if len(stats) > STRIPS:  # biases and the vectors of norms say less, and stand in the appendix
        stats = [each for each in stats if len(each.shape) > 1] or stats
    pieces = [stats[i : i + STRIPS] for i in range(0, len(stats), STRIPS)]
    figures = []
    for i, piece in enumerate(pieces[:STRIP_FIGURES]):
        part = f", part {i + 1} of {len(pieces)}" if len(pieces) > 1 else ""
        figure = chart_figure(strips(f"Weights of each parameter: range, mean and standard deviation{part}", piece))
        figures.append(figure)
    if len(pieces) > STRIP_FIGURES or (figures and len(stats) < len(facts.weights.stats)):
        figures[-1] = figures[-1]._replace(note="The others stand as numbers in the appendix.")
    return figures


def profile(facts: Facts) -> list[Figure]:
    """The modules that take most of the time, forward and backward."""
    if facts.profile is None or not facts.profile.modules:
        return []
    whole = sum(cost.forward + cost.backward for cost in facts.profile.modules) or 1.0
    ranked = sorted(facts.profile.modules, key=lambda cost: -(cost.forward + cost.backward))
    items = []
    for cost in ranked:
        if spent := cost.forward + cost.backward:
            text = f"{format.seconds(spent)}, {format.percent(spent / whole, 0)}"
            items.append(Bar(format.module(cost.module), [cost.forward, cost.backward], text))
    if not items:
        return []
    name = "Time of each module in a training step, without its children"
    note = f"The first {BARS} of {len(items)} are drawn; all stand in the appendix." if len(items) > BARS else ""
    return [chart_figure(bars(name, items, ["forward", "backward"], unit="s", limit=BARS))._replace(note=note)]
