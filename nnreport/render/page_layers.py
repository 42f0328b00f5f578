"""The layers: one row a module, with all that was measured of it, and the weights: one row a parameter."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from nnreport.facts import Facts, Module, WeightStats
from nnreport.render import charts, format

STEPS = 20
"""Steps in which a share is drawn behind a number."""


@dataclass
class Layer:
    """What is known of one module, None where it was not measured."""

    module: Module
    given: str = ""
    made: str = ""
    flops: int | None = None
    forward: float | None = None
    backward: float | None = None
    memory: int | None = None
    gradient: float | None = None
    """Median over the observed steps of the rms over all its parameters' gradients."""
    dead: float | None = None


def layers(facts: Facts) -> list[Layer]:
    """One record a module in the order of the tree; numbers of a container include its children's."""
    if not facts.tree:
        return []
    made = {module.path: Layer(module) for module in facts.tree.modules}
    for call in facts.graph.calls if facts.graph else ():
        layer = made.get(call.module)
        if layer is None:
            continue
        if call.nth == 0 and not layer.given:
            layer.given, layer.made = format.shapes(call.inputs), format.shapes(call.outputs)
        layer.flops = (layer.flops or 0) + call.flops
    for cost in facts.profile.modules if facts.profile else ():
        layer = made.get(cost.module)
        if layer is None:
            continue
        layer.forward, layer.backward = cost.forward_total, cost.backward_total
        for path in _upwards(cost.module):
            if path in made:
                made[path].memory = (made[path].memory or 0) + cost.activation
    _gradients(facts, made)
    for series in facts.probe.activations if facts.probe else ():
        layer = made.get(series.module)
        if layer is not None and series.dead is not None:
            layer.dead = max(layer.dead or 0.0, series.dead)
    return list(made.values())


def _upwards(path: str) -> list[str]:
    """The path and those of all modules around it."""
    parts = path.split(".") if path else []
    return [".".join(parts[:i]) for i in range(len(parts), -1, -1)]


def _gradients(facts: Facts, made: dict[str, Layer]) -> None:
    if not facts.probe or not facts.tree:
        return
    owner = {parameter.name: parameter for parameter in facts.tree.parameters}
    squares: dict[str, list[float]] = {}
    counts: dict[str, int] = defaultdict(int)
    for series in facts.probe.parameters:
        parameter = owner.get(series.name)
        values = [format.finite(value) for value in series.gradient]
        known = sorted(value for value in values if value is not None)
        if parameter is None or not known:
            continue
        middle = known[len(known) // 2]
        for path in _upwards(parameter.module):
            squares.setdefault(path, []).append(middle * middle * parameter.count)
            counts[path] += parameter.count
    for path, some in squares.items():
        if path in made and counts[path]:
            made[path].gradient = math.sqrt(math.fsum(some) / counts[path])


def rows(facts: Facts, all_layers: list[Layer]) -> list[dict[str, Any]]:
    """The cells of the table of layers, with shares of the largest in twentieths."""
    leaves = [layer for layer in all_layers if not layer.module.children]

    def step(value: float | None, most: float) -> int:
        return 0 if not value or not most else max(1, min(STEPS, round(STEPS * value / most)))

    most_parameters = max((layer.module.total for layer in leaves), default=0)
    most_flops = max((layer.flops or 0 for layer in leaves), default=0)
    most_time = max(((layer.forward or 0) + (layer.backward or 0) for layer in leaves), default=0.0)
    made = []
    for i, layer in enumerate(all_layers):
        module = layer.module
        time = None if layer.forward is None else layer.forward + (layer.backward or 0)
        container = bool(module.children)
        made.append(
            {
                "index": i,
                "path": module.path,
                "before": module.path[: module.path.rfind(".") + 1],
                "shown": module.path.rpartition(".")[2] or "(the model)",
                "depth": min(12, module.path.count(".") + 1) if module.path else 0,
                "container": container,
                "cls": module.name,
                "given": layer.given,
                "made": layer.made,
                "parameters": format.count(module.total) if module.total else "",
                "parameters_step": 0 if container else step(module.total, most_parameters),
                "frozen": module.total > 0 and module.trainable < module.total,
                "flops": format.scaled(layer.flops, format.SI, 1000) if layer.flops else "",
                "flops_step": 0 if container else step(layer.flops, most_flops),
                "forward": format.seconds(layer.forward) if layer.forward is not None else "",
                "backward": format.seconds(layer.backward) if layer.backward is not None else "",
                "time_step": 0 if container else step(time, most_time),
                "memory": format.size(layer.memory) if layer.memory else "",
                "gradient": format.number(layer.gradient, 2) if layer.gradient is not None else "",
                "dead": format.percent(layer.dead, 0) if layer.dead is not None else "",
                "calls": module.calls,
                "location": format.place(module.location) if module.user else "",
                "settings": ", ".join(f"{name}={format.setting(value)}" for name, value in list(module.settings.items())[:14]),
            }
        )
    return made


def idle(layer: Layer, facts: Facts) -> bool:
    """Was it never called in the recorded forward, though there was one?"""
    return bool(facts.graph and facts.graph.calls) and layer.module.calls == 0 and not layer.module.functional


@dataclass
class WeightRow:
    """One parameter in the table of weights."""

    stats: WeightStats
    histogram: str
    tied: list[str]
    trainable: bool

    @property
    def before(self) -> str:
        """What of a long name may be left out where there is no room: all but the module's own name and the parameter's."""
        parts = self.stats.name.split(".")
        return ".".join(parts[:-2]) + "." if len(parts) > 3 else ""

    @property
    def broken(self) -> int:
        """Values that are NaN or infinite."""
        return self.stats.nan + self.stats.inf


def weights(facts: Facts, picture_limit: int = 800) -> tuple[list[WeightRow], list[WeightRow]]:
    """Rows of the parameters and of the buffers; of very many, only the first have their small histogram."""
    if not facts.weights:
        return [], []
    known = {parameter.name: parameter for parameter in facts.tree.parameters} if facts.tree else {}
    made: dict[str, list[WeightRow]] = {"parameter": [], "buffer": []}
    many = len(facts.weights.stats) > picture_limit / 2
    for i, stats in enumerate(facts.weights.stats):
        parameter = known.get(stats.name)
        bins = 12 if many else 24
        histogram = charts.mini_histogram(stats.histogram, bins=bins) if i < picture_limit else ""
        made[stats.kind].append(
            WeightRow(stats, histogram, parameter.tied if parameter else [], parameter.trainable if parameter else True)
        )
    return made["parameter"], made["buffer"]
