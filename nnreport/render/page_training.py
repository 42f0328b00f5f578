"""The probe as charts: loss, gradients over depth and steps, activations, updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnreport.facts import ActivationSeries, Facts, LossInfo, Number, Probe
from nnreport.render import charts, format
from nnreport.render.charts import Chart, Level, Line
from nnreport.render.charts_base import middle

HALF, WHOLE = 530, 1080
"""Widths of a chart that shares its row, and of one that has it alone."""
POINTS = 300
"""Points of the gradient flow; of more parameters, neighbours share one."""
ZEROS = 6
"""Parameters named whose gradient is zero."""
COLUMNS = 12
"""Columns of a heat map: a longer series is thinned out."""


def loss_words(loss: LossInfo) -> str:
    """The loss as the end of ``trained with …``."""
    if loss.source == "model":
        return "its own loss"
    return f"a stand-in for a loss ({loss.name})" if loss.kind == "surrogate" else loss.name


def loss_charts(facts: Facts) -> tuple[Chart, Chart] | None:
    """The loss over the steps, linear and logarithmic, with what to compare it with."""
    probe = facts.probe
    if not probe or not probe.losses:
        return None
    tried = facts.experiments
    levels = []
    if tried and tried.baseline_loss is not None:
        levels.append(Level(tried.baseline_loss, f"best constant guess {format.number(tried.baseline_loss, 3)}"))
    series = [Line("loss", probe.losses)]
    if tried and tried.second_seed:
        series.append(Line("another seed", tried.second_seed))
    if tried and len(tried.longer_losses) > len(probe.losses):
        series.append(Line("trained on", tried.longer_losses, 2))
    steps = range(max(len(line.values) for line in series))
    kinds = [
        charts.line("Loss over the probe's steps", series, steps, y_label="loss", log=log, levels=levels, width=HALF)
        for log in (False, True)
    ]
    return kinds[0], kinds[1]


def wide(losses: Sequence[Number]) -> bool:
    """Does the loss span so much that only a logarithmic axis shows it?"""
    known = [value for value in map(format.finite, losses) if value is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 100


def rate_chart(facts: Facts) -> Chart | None:
    """The same steps at other learning rates."""
    tried, probe = facts.experiments, facts.probe
    if not tried or not tried.rates or not probe or not probe.losses:
        return None
    own = probe.optimizer.learning_rate if probe.optimizer else 0.0
    series = [Line(f"lr {own:g}" if own else "as given", probe.losses)]
    for trial in sorted(tried.rates, key=lambda trial: trial.factor)[:5]:
        if trial.losses:
            series.append(Line(f"lr {trial.learning_rate:.3g}", trial.losses))
    steps = range(max(len(line.values) for line in series))
    log = any((v := format.finite(value)) is not None and v > 0 for line in series for value in line.values)
    return (
        charts.line("Loss at other learning rates", series, steps, y_label="loss", log=log, width=HALF)
        if len(series) > 1
        else None
    )


def norm_chart(probe: Probe) -> Chart | None:
    """The norm of the whole gradient over the steps."""
    if len(probe.gradient_norms) < 2:
        return None
    steps = range(len(probe.gradient_norms))
    return charts.line(
        "Gradient norm over the steps", [Line("norm", probe.gradient_norms)], steps, y_label="norm", log=True, width=HALF
    )


def depth_chart(probe: Probe) -> Chart | None:
    """Gradient rms of each parameter in the order of the model, early, midway and late."""
    some = [series for series in probe.parameters if series.gradient]
    if len(some) < 2 or not probe.observed:
        return None
    n = len(probe.observed)
    wanted = list(dict.fromkeys((0, n // 2, n - 1)))
    each = -(-len(some) // POINTS)
    groups = [some[i : i + each] for i in range(0, len(some), each)]
    names = [group[0].name if len(group) == 1 else f"{group[0].name} … {group[-1].name}" for group in groups]
    lines = [
        Line(
            f"step {probe.observed[i]}",
            [middle([s.gradient[i] if i < len(s.gradient) else None for s in group]) for group in groups],
        )
        for i in wanted
    ]
    name = "Gradient flow: rms of each parameter's gradient"
    x_label = "parameter, input to output" + (f"; medians of {each}" if each > 1 else "")
    chart = charts.line(
        name, lines, range(len(groups)), names=names, x_label=x_label, y_label="rms", log=True, width=WHOLE, height=300
    )
    zero = [name for i, name in enumerate(names) if any(line.values[i] == 0 for line in lines)]
    more = f" and {len(zero) - ZEROS:,} more" if len(zero) > ZEROS else ""
    return chart._replace(note=f"Zero, which a log scale cannot show: {', '.join(zero[:ZEROS])}{more}.") if zero else chart


def heat_maps(probe: Probe) -> list[dict[str, Any]]:
    """The maps that have something to show: what it is, how to read it, the chart."""
    keep = thin(len(probe.observed), COLUMNS)
    columns = [str(probe.observed[i]) for i in keep]
    if not columns:
        return []
    made: list[dict[str, Any]] = []

    def add(key: str, name: str, how: str, rows: Sequence[tuple[str, Sequence[Number]]], **more: Any) -> None:
        rows = [(row, values) for row, values in rows if values]
        if rows:
            cells = [[values[i] if i < len(values) else None for i in keep] for _, values in rows]
            chart = charts.heatmap(name, [row for row, _ in rows], columns, cells, width=WHOLE, **more)
            made.append({"key": key, "name": name, "how": how, "chart": chart})

    named = [(activation_name(series), series) for series in probe.activations]
    gradients = [(s.name, s.gradient) for s in probe.parameters]
    updates = [(s.name, s.update) for s in probe.parameters]
    how = "norm of a step's change over the norm of the weight; near 0.001 is usual"
    add("gradient", "Gradient", "rms of each parameter's gradient", gradients, log=True, show=brief, corner="parameter")
    add("update", "Update ratio", how, updates, log=True, show=brief, corner="parameter")
    add(
        "std",
        "Activation scale",
        "standard deviation of each layer's output",
        [(n, s.std) for n, s in named],
        log=True,
        show=brief,
    )
    zeros = [(n, s.zeros) for n, s in named if any(value > 0.001 for value in s.zeros)]
    add("zeros", "Zeros", "share of each layer's outputs that are exactly zero", zeros, low=0.0, high=1.0, show=share)
    how = "how far the samples of the batch differ in each layer's output, over its rms"
    add("spread", "Spread between samples", how, [(n, s.spread) for n, s in named], low=0.0, show=brief)
    rails = [(n, s.rails) for n, s in named if any(s.rails)]
    add("rails", "Saturation", "share of outputs within 2 % of a rail", rails, low=0.0, high=1.0, show=share)
    return made


def dead_chart(probe: Probe) -> Chart | None:
    """Dead units per layer after the steps; None where none is dead (:func:`none_dead` says that)."""
    some = [series for series in probe.activations if series.dead is not None]
    if not any(series.dead for series in some):
        return None
    items = [
        charts.Bar(
            activation_name(s), [s.dead or 0.0], f"{format.percent(s.dead, 0)} of {s.units}", f"{s.dead_samples:,} values each"
        )
        for s in some
    ]
    return charts.bars("Dead units after the last step", items, ["dead"], unit="share", limit=16, most=1.0, width=HALF)


def none_dead(probe: Probe) -> str:
    """A sentence for a picture of nothing but zeros; the empty string where units are dead, or none was looked at."""
    some = [series for series in probe.activations if series.dead is not None]
    if not some or any(series.dead for series in some):
        return ""
    where = activation_name(some[0]) if len(some) == 1 else f"the {len(some)} activations that could have some"
    samples = max(series.dead_samples for series in some)
    over = f", in up to {samples:,} values each" if samples else ""
    return f"No dead unit after the last step: every unit of {where} fires{over}."


def activation_name(series: ActivationSeries) -> str:
    """``fc1``; a functional one ``relu in block1``."""
    where = series.module or "the model"
    if series.node:
        again = f" ({series.nth + 1})" if series.nth else ""
        return f"{series.node}{again} in {where}"
    return where


def thin(n: int, limit: int) -> list[int]:
    """At most ``limit`` indices, the first and the last among them."""
    if n <= limit:
        return list(range(n))
    return sorted({round(i * (n - 1) / (limit - 1)) for i in range(limit)})


def brief(value: Number | None) -> str:
    return format.number(value, 2)


def share(value: Number | None) -> str:
    known = format.finite(value)
    return format.number(value) if known is None else format.percent(known, 0)
