"""The numbers of both reports, each with what its difference means: a change, noise, or nothing that can be compared."""

from __future__ import annotations

from collections.abc import Collection

from nnreport.compare import noise
from nnreport.compare.records import Quantity
from nnreport.facts import Number, Probe, Profile
from nnreport.report import Report

TIMING = ("device", "machine", "thread count", "batch", "torch")
"""What must be equal for times to be compared."""
MEMORY = ("device", "batch")
TRAINING = ("input", "data", "loss", "optimizer", "steps", "batch", "seed")


def quantities(old: Report, new: Report, differs: Collection[str], machine: float | None) -> list[Quantity]:
    """All numbers, in the order in which they are shown; those that neither report has are left out.

    Args:
        old, new: the reports.
        differs: names of the settings that differ.
        machine: see :func:`nnreport.compare.noise.machine_factor`.
    """
    made = [
        exact("parameters", "parameters", "count", old.model.parameters, new.model.parameters),
        exact("trainable", "trainable parameters", "count", old.model.trainable, new.model.trainable),
        exact("size", "size of the weights", "bytes", old.model.size, new.model.size),
        exact("modules", "modules", "count", modules(old), modules(new)),
        flops(old, new, differs),
        memory("peak_memory", "peak memory of a step", old, new, differs),
        memory("activations_memory", "memory kept for backward", old, new, differs),
        *times(old, new, differs, machine),
        loss(old, new, differs),
        output(old, new, differs),
    ]
    return [each for each in made if each.old is not None or each.new is not None]


def exact(name: str, label: str, unit: str, old: int | None, new: int | None) -> Quantity:
    """A number without noise."""
    made = Quantity(name=name, label=label, unit=unit, old=old, new=new, better="lower")  # type: ignore[arg-type]
    if old is None or new is None:
        made.state, made.reason = "unknown", missing(old, new)
    elif old != new:
        made.state = "changed"
    return made


def missing(old: object, new: object) -> str:
    """In which report it is not."""
    return "not measured" if old is None and new is None else f"not measured {'before' if old is None else 'this time'}"


def modules(report: Report) -> int | None:
    return len(report.facts.tree.modules) if report.facts.tree and report.model.kind != "weights" else None


def conditions(names: Collection[str], differs: Collection[str]) -> str:
    """Which of these conditions differ, in words; empty if none."""
    found = [name for name in names if name in differs]
    return f"another {' and '.join(found)}" if found else ""


def flops(old: Report, new: Report, differs: Collection[str]) -> Quantity:
    """Forward; for another input it is another number by itself."""
    made = exact("flops", "FLOPs forward", "flops", old.model.flops, new.model.flops)
    if made.state == "changed" and (why := conditions(("input",), differs)):
        made.state, made.reason = "incomparable", why
    elif any(report.facts.graph and report.facts.graph.uncounted for report in (old, new)) and made.state != "unknown":
        made.reason = "a lower bound: some operations have no formula"
    return made


def memory(name: str, label: str, old: Report, new: Report, differs: Collection[str]) -> Quantity:
    """Bytes of a training step."""
    before, after = (getattr(report.facts.profile, name) or None if report.facts.profile else None for report in (old, new))
    made = exact(name, label, "bytes", before, after)
    if made.state == "changed":
        if why := conditions(("input", *MEMORY), differs):
            made.state, made.reason = "incomparable", why
        elif noise.equal(before, after, noise.MEMORY):
            made.state, made.reason = "noise", "allocators round"
        elif "optimizer" in differs:
            made.reason = "with another optimizer"
    return made


def times(old: Report, new: Report, differs: Collection[str], machine: float | None) -> list[Quantity]:
    """The step and its parts."""
    labels = {"step": "training step", "forward": "forward pass", "backward": "backward pass"}
    made = [time(name, label, old.facts.profile, new.facts.profile, differs, machine) for name, label in labels.items()]
    step = made[0]
    for part in made[1:]:  # they are measured apart from each other and vary more: a change of a part is one of the whole
        if part.state == "changed" and step.state != "changed":
            part.state, part.reason = "noise", "the step as a whole took no other time"
    rate = Quantity(
        name="throughput", label="samples a second", unit="rate", state=step.state, reason=step.reason, better="higher"
    )
    rate.old, rate.new = (report.facts.profile.throughput or None if report.facts.profile else None for report in (old, new))
    return [step, rate, *made[1:]]


def time(
    name: str, label: str, old: Profile | None, new: Profile | None, differs: Collection[str], machine: float | None
) -> Quantity:
    """Seconds: what the machine did is taken out, and the rest must be more than two runs of one model differ by."""
    before, after = (getattr(profile, name) or None if profile else None for profile in (old, new))
    made = Quantity(name=name, label=label, unit="seconds", old=before, new=after, better="lower")
    if before is None or after is None:
        made.state, made.reason = "unknown", missing(before, after)
    elif why := conditions(("input", *TIMING), differs):
        made.state, made.reason = "incomparable", why
    elif noise.time_changed(after / before, machine):
        made.state = "changed"
        if machine is not None and noise.beyond(machine, 1.1):
            made.reason = f"unchanged layers took {machine:.2g} times as long: so much is the machine"
    elif noise.equal(before, after):
        made.state = "same"
    elif machine is not None and noise.beyond(machine, 1.1) and noise.beyond(after / before, 1.1):
        made.state, made.reason = "noise", f"unchanged layers took {machine:.2g} times as long too: that is the machine"
    else:
        made.state, made.reason = "noise", "two runs of one model differ by as much"
    return made


def loss(old: Report, new: Report, differs: Collection[str]) -> Quantity:
    """The loss after the last step; what counts is which share of the first is left."""
    before, after = ends(old.facts.probe), ends(new.facts.probe)
    made = Quantity(name="loss", label="loss after the last step", unit="number", better="lower")
    made.old, made.new = before[1] if before else None, after[1] if after else None
    if before is None or after is None:
        made.state, made.reason = "unknown", missing(before, after)
        return made
    broken = [isinstance(end[1], str) for end in (before, after)]
    if before == after:
        made.state = "same"
    elif why := conditions(TRAINING, differs):
        made.state, made.reason = "incomparable", why
    elif broken[0] != broken[1]:
        made.state, made.reason = "changed", "not finite" if broken[1] else "finite now"
    elif any(broken) or any(isinstance(value, str) for value in (*before, *after)):
        made.state = "same" if before[1] == after[1] else "noise"
    else:
        judge(made, before, after)
    return made


def judge(made: Quantity, before: tuple[Number, Number], after: tuple[Number, Number]) -> None:
    """Finite losses: is another share of the first one left?"""
    first = (float(before[0]), float(before[1]))
    second = (float(after[0]), float(after[1]))
    changed = noise.loss_changed(first, second)
    if changed is None:
        made.state, made.reason = "incomparable", "losses that are not positive have no share that is left"
    elif changed:
        shares = [f"{100 * end[1] / end[0]:.3g} %" for end in (first, second)]
        made.state, made.reason = "changed", f"{shares[1]} of the first loss is left, before {shares[0]}"
    elif noise.equal(first[1], second[1]):
        made.state = "same"
    else:
        made.state, made.reason = "noise", "another random start differs by as much"


def ends(probe: Probe | None) -> tuple[Number, Number] | None:
    """First and last loss."""
    return (probe.losses[0], probe.losses[-1]) if probe and len(probe.losses) > 1 else None


def output(old: Report, new: Report, differs: Collection[str]) -> Quantity:
    """Shape of what the model returns, for the given input."""
    before, after = (returned(report) for report in (old, new))
    made = Quantity(name="output", label="output", unit="text", old=before, new=after)
    if before is None or after is None:
        made.state, made.reason = "unknown", missing(before, after)
    elif before != after:
        why = conditions(("input",), differs)
        made.state, made.reason = ("incomparable", why) if why else ("changed", "")
    return made


def returned(report: Report) -> str | None:
    """``float32[1, 10]``; of a nested output its structure and the tensors."""
    graph = report.facts.graph
    if graph is None or not graph.complete:
        return None
    tensors = [info for node in graph.nodes if node.kind == "output" for info in (node.outputs or node.reads)]
    shapes = [f"{info.dtype}[{', '.join(map(str, info.shape))}]" for info in tensors]
    nested = graph.output and graph.output != "tensor" and not graph.output.startswith(("float", "int", "bool"))
    return " ".join(filter(None, ([graph.output] if nested else []) + [", ".join(shapes)])) or graph.output or None
