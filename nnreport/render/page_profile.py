"""Where time and memory go, beside what the machine could do."""

from __future__ import annotations

from typing import Any

from nnreport.facts import Facts, ModuleCost, Profile
from nnreport.render import charts, format
from nnreport.render.charts import Bar, Chart
from nnreport.render.page_training import HALF, WHOLE


def step_chart(profile: Profile) -> Chart | None:
    """One step in its parts."""
    if not profile.step:
        return None
    parts = [("forward", profile.forward), ("backward", profile.backward), ("optimizer", profile.optimizer)]
    rest = profile.step - sum(value for _, value in parts)
    if rest > 0.02 * profile.step:
        parts.append(("rest", rest))
    total = sum(value for _, value in parts) or 1.0
    items = [Bar(name, [value], f"{format.seconds(value)}, {format.percent(value / total, 0)}") for name, value in parts]
    return charts.bars("One training step", items, ["time"], unit="s", width=HALF)


def module_chart(profile: Profile) -> Chart | None:
    """The modules that take most of a step, own time."""
    some = sorted((cost for cost in profile.modules if cost.forward + cost.backward > 0), key=lambda c: -(c.forward + c.backward))
    if not some:
        return None
    items = [
        Bar(
            format.module(cost.module),
            [cost.forward, cost.backward],
            f"{format.seconds(cost.forward + cost.backward)}{reach(cost, profile)}",
            f"{format.module(cost.module)}: forward {format.seconds(cost.forward)}, backward {format.seconds(cost.backward)}",
        )
        for cost in some[:60]
    ]
    return charts.bars("Time per module and step, own time", items, ["forward", "backward"], unit="s", limit=16, width=WHOLE)


def reach(cost: ModuleCost, profile: Profile) -> str:
    """`` · 12 GFLOP/s``: what a module achieves."""
    time = cost.forward + cost.backward
    return f" · {format.rate(cost.flops / time, 'FLOP/s')}" if cost.flops and time > 0 and profile.machine else ""


def memory_chart(profile: Profile) -> Chart | None:
    """What memory holds in a step."""
    parts = [
        ("parameters", profile.parameters_memory),
        ("gradients", profile.gradients_memory),
        ("optimizer", profile.optimizer_memory),
        ("activations", profile.activations_memory),
    ]
    items = [Bar(name, [float(value)], format.size(value)) for name, value in parts if value]
    return charts.bars("Memory of one training step", items, ["size"], unit="bytes", width=HALF) if items else None


def operators(profile: Profile) -> list[list[str]]:
    """The top operators."""
    return [
        [operator(o.name), format.count(o.calls), format.seconds(o.seconds), format.percent(o.share)]
        for o in profile.operators[:15]
    ]


def operator(name: str) -> str:
    """``Adam.step`` for the profiler's ``Optimizer.step#Adam.step``."""
    return name.removeprefix("Optimizer.step#")


def machine(facts: Facts) -> list[str]:
    """What was achieved and what could be, in sentences."""
    profile = facts.profile
    if not profile:
        return []
    said = []
    limit = profile.machine
    if limit and limit.flops and profile.achieved_flops:
        achieved, possible = format.rate(profile.achieved_flops, "FLOP/s"), format.rate(limit.flops, "FLOP/s")
        share = format.percent(profile.achieved_flops / limit.flops)
        said.append(
            f"The step achieves {achieved}, {share} of the {possible} that this machine reaches in a float32 matrix product."
        )
    if limit and limit.flops and limit.bandwidth:
        moved, balance = format.rate(limit.bandwidth, "B/s"), limit.flops / limit.bandwidth
        waits = f"a layer that does fewer than {balance:.0f} FLOP per byte waits for memory, not for arithmetic"
        said.append(f"Memory moves {moved} here: {waits}.")
    return said


def note(profile: Profile) -> dict[str, Any]:
    """The numbers over the charts."""
    return {
        "step": format.seconds(profile.step),
        "batch": profile.batch,
        "throughput": format.short(profile.throughput),
        "peak": format.size(profile.peak_memory) if profile.peak_memory else "",
    }
