"""The report's pictures as matplotlib figures, to restyle for a paper (``pip install "nnreport[plot]"``).

>>> figures = report.figures
>>> list(figures)
['loss', 'gradient_norm', 'gradient_flow', …]
>>> with matplotlib.style.context("ggplot"):
...     figure = figures["loss"]
>>> figure.axes[0].set_title("")
>>> figure.savefig("loss.pdf")

Each look-up draws anew, in the style and ``rcParams`` of that moment: keep the figure in a variable to change it. Nothing is
registered with pyplot, so nothing has to be closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nnreport.errors import UsageError
from nnreport.facts import Facts
from nnreport.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Any], None]
"""Draws on an empty figure."""


class Figures(Mapping[str, "Figure"]):
    """Name -> figure, of what the report holds.

    Raises:
        UsageError: matplotlib is not installed; one line says how to get it.
    """

    def __init__(self, report: Report) -> None:
        try:
            import matplotlib.figure  # noqa: F401
        except ImportError:
            raise UsageError('report.figures needs matplotlib: pip install "nnreport[plot]"') from None
        self._draw = drawings(report.facts)

    def __getitem__(self, name: str) -> Figure:
        """The figure, drawn now."""
        from matplotlib.figure import Figure

        try:
            draw = self._draw[name]
        except KeyError:
            raise KeyError(f"there is no figure {name!r} in this report; there are {', '.join(self._draw) or 'none'}") from None
        made = Figure(layout="constrained")
        draw(made)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __len__(self) -> int:
        return len(self._draw)

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self._draw) or 'none'}>"


def drawings(facts: Facts) -> dict[str, Draw]:
    """What can be drawn of these facts, in the order of the page."""
    from nnreport.render import figures_curves as curves
    from nnreport.render import figures_layers as layers
    from nnreport.render import figures_pictures as pictures

    found: dict[str, Draw] = {}
    if facts.pictures:
        found |= pictures.drawings(facts.pictures)
    probe, profile = facts.probe, facts.profile
    if probe:
        if probe.losses:
            found["loss"] = partial(curves.loss, facts=facts)
        if facts.experiments and any(trial.losses for trial in facts.experiments.rates):
            found["rates"] = partial(curves.rates, facts=facts)
        if len(probe.gradient_norms) > 1:
            found["gradient_norm"] = partial(curves.norm, probe=probe)
        if sum(bool(series.gradient) for series in probe.parameters) > 1 and probe.observed:
            found["gradient_flow"] = partial(curves.flow, probe=probe)
        for name, chosen in layers.heat_maps(probe).items():
            found[name] = partial(layers.heat_map, chosen=chosen, probe=probe)
        if any(series.dead is not None for series in probe.activations):
            found["dead"] = partial(layers.dead, probe=probe)
    if facts.weights and any(stats.count for stats in facts.weights.stats):
        found["weights"] = partial(layers.weights, weights=facts.weights)
    if profile:
        if any(cost.forward + cost.backward > 0 for cost in profile.modules):
            found["time"] = partial(layers.time, profile=profile)
        if profile.parameters_memory or profile.activations_memory:
            found["memory"] = partial(layers.memory, profile=profile)
        if profile.operators:
            found["operators"] = partial(layers.operators, profile=profile)
    return found
