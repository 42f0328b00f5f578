"""The comparison of two reports."""

from __future__ import annotations

from nnreport.compare.findings import Places, finding_changes, unasked
from nnreport.compare.forest import Forest
from nnreport.compare.layers import checkpoint_problem, layer_changes
from nnreport.compare.match import match
from nnreport.compare.noise import machine_factor
from nnreport.compare.numbers import quantities
from nnreport.compare.records import Comparison, Curve, Side
from nnreport.compare.settings import settings
from nnreport.facts import Probe, Tree
from nnreport.report import Report

POINTS = 400
"""Points of a loss curve that are kept."""


def compare(old: Report, new: Report, old_file: str = "", new_file: str = "") -> Comparison:
    """What changed from ``old`` to ``new``; the files' names are for the reader."""
    bare = old.model.kind == "weights" or new.model.kind == "weights"
    a, b = (Forest(report.facts.tree or Tree(), bare) for report in (old, new))
    known = old.facts.tree is not None and new.facts.tree is not None
    pairs = match(a, b)
    whole = all(report.facts.graph is not None and report.facts.graph.complete for report in (old, new))
    layers = layer_changes(a, b, pairs, calls=whole) if known else []
    touched = {change.new for change in layers if change.new is not None and change.kind not in ("renamed", "renumbered")}
    inside = {path for change in layers if change.kind == "added" and change.new for path in b.subtree(change.new)}
    differing = settings(old, new)
    names = {each.name for each in differing}
    machine = machine_factor(old.facts, new.facts, a, b, pairs)
    removed = {""} if any(change.kind == "removed" for change in layers) else set()
    return Comparison(
        old=side(old, old_file),
        new=side(new, new_file),
        settings=differing,
        findings=finding_changes(old, new, Places(a, b, pairs, touched | inside | removed)),
        unasked=unasked(old, new),
        unasked_before=unasked(new, old),
        quantities=quantities(old, new, names, machine),
        layers=layers,
        checkpoint=checkpoint_problem(old.facts, new.facts) if layers or bare else "",
        values=other_values(old, new, names),
        stages=stages(old, new),
        curves=curves(old.facts.probe, new.facts.probe),
        machine=machine,
    )


def side(report: Report, file: str) -> Side:
    """A report in a few words."""
    environment = report.facts.environment
    return Side(
        name=report.model.name,
        target=report.model.target,
        file=file,
        kind=report.model.kind,
        time=environment.time,
        nnreport=environment.nnreport,
        torch=environment.torch,
        findings=len(report.findings),
        modules=len(report.facts.tree.modules) if report.facts.tree else 0,
    )


def other_values(old: Report, new: Report, differs: set[str]) -> int | None:
    """Tensors of one name and shape whose values differ. Of just-made models that tells under one seed and torch only."""
    before, after = old.facts.weights, new.facts.weights
    if before is None or after is None or before.fresh != after.fresh:
        return None
    if before.fresh and ({"seed", "torch", "device"} & differs or names(old) != names(new)):
        return None  # other layers draw other numbers
    digests = {stats.name: (stats.digest, stats.shape) for stats in before.stats if stats.digest}
    pairs = [(digests[stats.name], stats) for stats in after.stats if stats.digest and stats.name in digests]
    return sum(digest != stats.digest for (digest, shape), stats in pairs if shape == stats.shape)


def names(report: Report) -> list[tuple[str, tuple[int, ...]]]:
    """Parameters in their order, with their shapes: equal ones are drawn equally."""
    return [(each.name, tuple(each.shape)) for each in report.facts.tree.parameters] if report.facts.tree else []


def stages(old: Report, new: Report) -> list[str]:
    """Stages that failed in one report only."""
    before = {stage.name for stage in old.failed_stages}
    after = {stage.name for stage in new.failed_stages}
    words = {"timeout": "timed out", "killed": "was killed"}
    lost = [stage for stage in new.failed_stages if stage.name not in before]
    found = [f"the stage {stage.name} {words.get(stage.state, stage.state)}" for stage in lost]
    ran = {stage.name for stage in new.stages if stage.state == "ok"}
    return found + [f"the stage {name} went through this time" for name in sorted((before - after) & ran)]


def curves(old: Probe | None, new: Probe | None) -> list[Curve]:
    """Both loss curves, where both are there."""
    if not old or not new or len(old.losses) < 2 or len(new.losses) < 2:
        return []
    return [curve(old), curve(new)]


def curve(probe: Probe) -> Curve:
    """A loss curve, thinned evenly; its first and last points stay."""
    last = len(probe.losses) - 1
    keep = range(last + 1) if last < POINTS else sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)})
    return Curve(steps=list(keep), losses=[probe.losses[i] for i in keep])
