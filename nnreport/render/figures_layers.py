"""Layers over steps, weights, time and memory, on matplotlib axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nnreport.facts import Number, Probe, Profile, Weights
from nnreport.render import format
from nnreport.render.figures_curves import escaped, plain
from nnreport.render.page_training import activation_name

ROWS = 40
"""Bars of one figure, the largest; a paper has no room for more."""
NAMED = 60
"""Rows of a heat map that are named; of more, every second, third …"""


class HeatMap(NamedTuple):
    """One map of layers over the observed steps."""

    title: str
    names: list[str]
    rows: list[Sequence[Number]]
    log: bool = False
    ends: tuple[float | None, float | None] = (None, None)


def heat_maps(probe: Probe) -> dict[str, HeatMap]:
    """Those that have something to show."""
    parameters = [series.name for series in probe.parameters]
    layers = [activation_name(series) for series in probe.activations]
    some = {
        "gradients": HeatMap("Gradient (rms)", parameters, [s.gradient for s in probe.parameters], True),
        "updates": HeatMap("Update over weight (norms)", parameters, [s.update for s in probe.parameters], True),
        "activations": HeatMap("Standard deviation of activations", layers, [s.std for s in probe.activations], True),
        "zeros": HeatMap("Share of zeros in activations", layers, [s.zeros for s in probe.activations], False, (0, 1)),
        "spread": HeatMap("Spread between samples", layers, [s.spread for s in probe.activations], False, (0, None)),
    }
    return {name: chosen for name, chosen in some.items() if probe.observed and any(chosen.rows)}


def heat_map(figure: Any, chosen: HeatMap, probe: Probe) -> None:
    """Layers down, observed steps across; what is not finite is left blank."""
    import numpy
    from matplotlib.colors import LogNorm

    kept = [(name, row) for name, row in zip(chosen.names, chosen.rows, strict=True) if row]
    width = len(probe.observed)
    values = numpy.array([plain([*row, *[None] * (width - len(row))][:width]) for _, row in kept])
    grow(figure, len(kept), 0.16)
    axes = figure.subplots()
    positive = values[values > 0]
    if chosen.log and positive.size:
        low, high = float(positive.min()), float(positive.max())
        scale: dict[str, Any] = {"norm": LogNorm(max(low, high / 1e12), high if high > low else low * 10)}
        values = numpy.where(values > 0, values, numpy.where(numpy.isnan(values), numpy.nan, low))
    else:
        scale = {"vmin": chosen.ends[0], "vmax": chosen.ends[1]}
    shown = axes.imshow(values, aspect="auto", interpolation="nearest", **scale)
    every = max(1, -(-len(kept) // NAMED))
    axes.set_yticks(range(0, len(kept), every), [escaped(name) for name, _ in kept[::every]])
    ticks = range(0, width, max(1, -(-width // 10)))
    axes.set_xticks(ticks, [str(probe.observed[i]) for i in ticks])
    axes.set(xlabel="step", title=chosen.title)
    figure.colorbar(shown, ax=axes)


def grow(figure: Any, rows: int, each: float) -> None:
    """A figure as tall as its rows need, between the style's own height and a page."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, min(10.0, max(height, 1.2 + each * min(rows, NAMED))))


def bars(figure: Any, names: Sequence[str], parts: Mapping[str, Sequence[float]], xlabel: str, title: str) -> None:
    """Horizontal bars, the first on top, in as many parts as there are."""
    grow(figure, len(names), 0.22)
    axes = figure.subplots()
    left = [0.0] * len(names)
    for name, values in parts.items():
        axes.barh(range(len(names)), values, left=left, label=name)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_yticks(range(len(names)), [escaped(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlabel=xlabel, title=title)
    if len(parts) > 1:
        axes.legend()


def dead(figure: Any, probe: Probe) -> None:
    """Share of units that were zero for every sample, after the last step."""
    some = [series for series in probe.activations if series.dead is not None][:ROWS]
    names = [activation_name(series) for series in some]
    bars(figure, names, {"dead": [series.dead or 0.0 for series in some]}, "share of units", "Dead units after the last step")
    figure.axes[0].set_xlim(0, 1)


def weights(figure: Any, weights: Weights) -> None:
    """Range, mean and standard deviation of the largest parameters, in the order of the model."""
    some = [stats for stats in weights.stats if stats.count and stats.kind == "parameter"] or [
        s for s in weights.stats if s.count
    ]
    least = sorted((stats.count for stats in some), reverse=True)[:ROWS][-1]
    some = [stats for stats in some if stats.count >= least][:ROWS]
    grow(figure, len(some), 0.2)
    axes = figure.subplots()
    places = range(len(some))
    axes.hlines(places, [s.minimum for s in some], [s.maximum for s in some], colors="C0", linewidths=1)
    axes.hlines(places, [s.mean - s.std for s in some], [s.mean + s.std for s in some], colors="C0", linewidths=4)
    axes.plot([s.mean for s in some], places, "|", color="C1")
    axes.set_yticks(places, [escaped(s.name) for s in some])
    axes.invert_yaxis()
    axes.set(xlabel="value", title="Weights: range, mean ± standard deviation")


def time(figure: Any, profile: Profile) -> None:
    """Time of each module in a training step, without its children."""
    ranked = sorted(profile.modules, key=lambda cost: -(cost.forward + cost.backward))[:ROWS]
    ranked = [cost for cost in ranked if cost.forward + cost.backward > 0]
    parts = {"forward": [1e3 * cost.forward for cost in ranked], "backward": [1e3 * cost.backward for cost in ranked]}
    bars(figure, [format.module(cost.module) for cost in ranked], parts, "ms a step", "Time of each module")


def memory(figure: Any, profile: Profile) -> None:
    """What takes the memory of a training step."""
    parts = {
        "parameters": profile.parameters_memory,
        "gradients": profile.gradients_memory,
        "optimizer": profile.optimizer_memory,
        "activations": profile.activations_memory,
    }
    known = {name: size for name, size in parts.items() if size}
    bars(figure, list(known), {"memory": [size / 2**20 for size in known.values()]}, "MiB", "Memory of a training step")


def operators(figure: Any, profile: Profile) -> None:
    """The operators that take most of the time."""
    some = sorted(profile.operators, key=lambda cost: -cost.seconds)[:20]
    spent = {"time": [1e3 * cost.seconds for cost in some]}
    bars(figure, [cost.name for cost in some], spent, "ms", "Time of each operator")
