"""A comparison in words: the verdict, the numbers, the layers folded. Every format of a comparison opens with it."""

from __future__ import annotations

from typing import NamedTuple

from nnreport.compare.records import Comparison, FindingChange, LayerChange, Quantity
from nnreport.finding import SEVERITIES
from nnreport.render import charts, format
from nnreport.render.charts import Chart, Line
from nnreport.render.plain import sparkline

HEADLINE = {"parameters": "parameters", "flops": "FLOPs", "peak_memory": "memory", "step": "time a step"}
"""Numbers that the verdict names, and what it calls them."""
KEY = ("parameters", "flops", "step", "peak_memory", "loss")
"""The five that stand first, as in a report."""
SHORT = {"flops": "FLOPs forward", "peak_memory": "peak memory", "loss": "last loss"}
KINDS = {
    "added": "added",
    "removed": "removed",
    "retyped": "another class",
    "reshaped": "reshaped",
    "altered": "altered",
    "renamed": "renamed",
    "renumbered": "renumbered",
}
SIGNS = {"added": "+", "removed": "−", "renamed": "→", "renumbered": "→"}
"""Before a layer's name; the others have ``~``."""
NAMES = 3
"""Layers of equal change that are named; of the rest, their number."""
MINUS = "−"


def sides(comparison: Comparison) -> tuple[str, str]:
    """What the two are called: the targets where they differ, else the files, else before and now."""
    old, new = comparison.old, comparison.new
    if old.target != new.target and old.target and new.target:
        return old.target, new.target
    if old.file and new.file and old.file != new.file:
        return old.file, new.file
    return "before", "now"


def title(comparison: Comparison) -> str:
    """``SimpleNet``, or both names."""
    old, new = comparison.old.name or "model", comparison.new.name or "model"
    return new if old == new else f"{old} → {new}"


def verdict(comparison: Comparison) -> str:
    """``+1 error, 2 fixed, +12.3 % parameters``; ``Nothing changed``."""
    parts = finding_words(comparison)
    for name, word in HEADLINE.items():
        quantity = comparison.quantity(name)
        if quantity and quantity.state == "changed":
            parts.append(f"{delta(quantity)} {word}")
    parts += layer_words(comparison) + other_words(comparison)
    if parts:
        return ", ".join(parts)
    if not compared(comparison):
        return "Nothing could be compared"
    if comparison.old.kind != comparison.new.kind:
        return "Nothing changed in what both reports hold"
    silent = [each for each in comparison.of("unchecked") if not each.reason.startswith("found nothing")]  # noise of times
    partly = silent or comparison.unasked or comparison.unasked_before
    return "Nothing changed" + (", as far as both were checked" if partly else "")


def compared(comparison: Comparison) -> bool:
    """Is there anything that both reports hold?"""
    return any(each.state not in ("unknown", "incomparable") for each in comparison.quantities)


def finding_words(comparison: Comparison) -> list[str]:
    """``+1 error``, ``1 worse``, ``2 fixed``."""
    new = [each.finding.severity for each in comparison.of("new")]
    parts = [f"+{format.plural(n, severity)}" for severity in SEVERITIES if (n := new.count(severity))]
    parts += [f"{n} worse" for n in [len(comparison.of("worse"))] if n]
    return parts + [f"{n} fixed" for n in [len(comparison.of("fixed"))] if n]


def layer_words(comparison: Comparison) -> list[str]:
    """``2 layers added``, ``1 removed``, ``3 changed``."""
    kinds = [each.kind for each in comparison.layers]
    counts = {
        "added": kinds.count("added"),
        "removed": kinds.count("removed"),
        "changed": sum(kinds.count(kind) for kind in ("retyped", "reshaped", "altered")),
        "renamed": kinds.count("renamed"),
    }
    known = [(n, word) for word, n in counts.items() if n]
    return [f"{format.plural(n, 'layer') if i == 0 else n} {word}" for i, (n, word) in enumerate(known)]


def other_words(comparison: Comparison) -> list[str]:
    """What stands in no list: the loss, other values, a stage that failed."""
    parts = []
    loss = comparison.quantity("loss")
    if loss and loss.state == "changed":
        parts.append(f"another loss ({figure(loss, loss.old)} → {figure(loss, loss.new)})")
    output = comparison.quantity("output")
    if output and output.state == "changed":
        parts.append("another output")
    if comparison.values:
        parts.append(f"other values in {format.plural(comparison.values, 'tensor')}")
    return parts + list(comparison.stages)


def colour(comparison: Comparison) -> str:
    """``error``, ``warning`` or ``note`` for what is new; ``ok`` where something was mended or nothing is worse."""
    return comparison.worst_new or ("note" if comparison.stages or not compared(comparison) else "ok")


def although(comparison: Comparison) -> list[tuple[str, str, str]]:
    """What differs in how the two were made: name, old, new; what already stands in the title is left to it."""
    told = comparison.old.name == comparison.new.name and sides(comparison)[0] == comparison.old.target
    return [(each.name, each.old, each.new) for each in comparison.settings if not (told and each.name == "target")]


def although_line(comparison: Comparison) -> str:
    """``Compared although the seed (0 → 1) and the torch (2.3 → 2.4) differ.``, or the empty string."""
    found = [f"the {name} ({format.elide(old, 60)} → {format.elide(new, 60)})" for name, old, new in although(comparison)]
    return f"Compared although {format.joined(found)} {'differs' if len(found) == 1 else 'differ'}." if found else ""


# ------------------------------------------------------------------------------------------------------------- numbers


def figure(quantity: Quantity, value: float | int | str | None) -> str:
    """A number as its unit is written."""
    if value is None:
        return format.NOTHING
    if isinstance(value, str):
        return value if quantity.unit == "text" else format.number(value)  # type: ignore[arg-type]
    if quantity.unit == "count":
        return format.count(int(value))
    if quantity.unit == "bytes":
        return format.size(value)
    if quantity.unit == "flops":
        return format.flops(value)
    if quantity.unit == "seconds":
        return format.seconds(value)
    return format.short(value) if quantity.unit == "rate" else format.number(value, 3)


def delta(quantity: Quantity) -> str:
    """``+12.3 %``, ``−50.0 %``, ``×12``; where that would read as nothing, the difference itself; of texts nothing."""
    ratio = quantity.ratio
    if ratio is None or isinstance(quantity.new, str) or isinstance(quantity.old, str):
        return ""
    if ratio >= 10:
        return f"×{ratio:,.3g}"
    text = f"{abs(ratio - 1) * 100:.1f}"
    sign = "+" if ratio >= 1 else MINUS
    if text == "0.0" and ratio != 1 and quantity.old is not None and quantity.new is not None:
        return f"{sign}{figure(quantity, abs(quantity.new - quantity.old))}"
    return f"{sign}{text}{format.SPACE}%"


class Row(NamedTuple):
    """A number as a row of a table."""

    label: str
    old: str
    new: str
    change: str
    """Empty where nothing changed."""
    note: str
    state: str


def number_rows(comparison: Comparison) -> list[Row]:
    """All numbers that at least one report has, those that cannot be compared with the reason."""
    return [row(each, comparison) for each in comparison.quantities if each.state != "unknown"]


def row(quantity: Quantity, comparison: Comparison) -> Row:
    """One number; a difference that is no change is written as what it is."""
    moved = delta(quantity) or "changed"
    if quantity.name == "loss" and (ratio := quantity.ratio) is not None:
        moved = "higher" if ratio > 1 else "lower"
    change = {"changed": moved, "noise": "within noise", "incomparable": "not comparable"}
    return Row(
        quantity.label,
        figure(quantity, quantity.old),
        figure(quantity, quantity.new),
        change.get(quantity.state, "same"),
        quantity.reason if quantity.state != "same" else "",
        quantity.state,
    )


def missing_line(comparison: Comparison) -> str:
    """Numbers that only one report has, in a sentence; or the empty string."""
    parts = []
    for when in ("before", "this time"):
        names = [each.label for each in comparison.quantities if each.state == "unknown" and each.reason.endswith(when)]
        if names:
            parts.append(f"Not measured {when}: {format.joined(names)}.")
    return " ".join(parts)


def unasked_line(comparison: Comparison) -> str:
    """Checks that were made in one report only, in a sentence; or the empty string."""
    parts = []
    for when, checks in (("this time", comparison.unasked), ("before", comparison.unasked_before)):
        if checks:
            named = f": {format.joined(checks)}" if len(checks) <= 4 else ""
            parts.append(f"Not checked {when}: {format.plural(len(checks), 'check')}{named}.")
    return " ".join(parts)


def remarks(comparison: Comparison) -> list[str]:
    """What was measured or checked in one report only, a sentence each."""
    return [line for line in (missing_line(comparison), unasked_line(comparison)) if line]


def key_rows(comparison: Comparison) -> list[Row]:
    """The five that stand first."""
    made = []
    for name in KEY:
        quantity = comparison.quantity(name)
        if quantity is not None:
            made.append(row(quantity, comparison)._replace(label=SHORT.get(name, quantity.label)))
    return made


# -------------------------------------------------------------------------------------------------------------- layers


class LayerRow(NamedTuple):
    """Layers that share one change."""

    kind: str
    sign: str
    names: list[str]
    """The first few; renamed ones as ``old → new``."""
    more: int
    cls: str
    what: str
    parameters: str
    """``+1,290``, or empty."""


def layer_rows(comparison: Comparison) -> list[LayerRow]:
    """The layers, equal changes in one row, in the order in which each first comes; renumbered ones last."""
    groups: dict[tuple[object, ...], list[LayerChange]] = {}
    for each in comparison.layers:
        key: tuple[object, ...] = (each.kind, each.old_cls, each.cls, tuple(each.changes), each.inside)
        if each.kind == "renumbered":
            key = (each.kind, (each.old or "").rpartition(".")[0], (each.new or "").rpartition(".")[0])
        groups.setdefault(key, []).append(each)
    rows = [layer_row(group) for group in groups.values()]
    return sorted(rows, key=lambda each: each.kind == "renumbered")


def layer_row(group: list[LayerChange]) -> LayerRow:
    """One row for changes that are alike."""
    first = group[0]
    names = [name_of(each) for each in group]
    more = max(0, len(names) - NAMES)
    if first.kind == "renumbered" and len(group) > 1:
        last = group[-1]
        names, more = [f"{first.old} … {last.old} → {first.new} … {last.new}"], 0
    classes = list(dict.fromkeys(each.cls or each.old_cls for each in group))
    cls = ", ".join(classes[:NAMES]) + (" …" if len(classes) > NAMES else "")
    difference = sum(each.parameters - each.old_parameters for each in group)
    what = list(first.changes)
    if first.inside:
        inside = f"with the {format.plural(first.inside, 'module')} inside"
        what.append(inside + (" each" if len(group) > 1 else ""))
    if first.kind == "renumbered":
        what.append(f"{format.plural(len(group), 'layer')}, otherwise as before")
    return LayerRow(
        first.kind,
        SIGNS.get(first.kind, "~"),
        names if first.kind == "renumbered" else names[:NAMES],
        more,
        cls,
        "; ".join(what),
        f"{'+' if difference > 0 else MINUS}{abs(difference):,}" if difference else "",
    )


def name_of(change: LayerChange) -> str:
    """``fc1``, ``fc1 → net.1``; the root is ``the model``."""
    old, new = format.module(change.old), format.module(change.new)
    return f"{old} → {new}" if old and new and old != new else new or old


def checkpoint_line(comparison: Comparison) -> str:
    """What the changes mean for a checkpoint of the old model."""
    if not comparison.checkpoint:
        return ""
    return f"A state dict of the old model does not load into the new one: {comparison.checkpoint}."


# ------------------------------------------------------------------------------------------------------------ findings


def place(change: FindingChange) -> str:
    """``fc1``; ``fc1 → net.1`` where the layer was renamed."""
    old = format.module(change.old.module) if change.old else ""
    new = format.module(change.new.module) if change.new else ""
    return f"{old} → {new}" if old and new and old != new else new or old


def severities(change: FindingChange) -> str:
    """``error``; ``warning → error`` where it changed."""
    if change.old and change.new and change.old.severity != change.new.severity:
        return f"{change.old.severity} → {change.new.severity}"
    return change.finding.severity


# --------------------------------------------------------------------------------------------------------------- curves


def sparks(comparison: Comparison, width: int = 40) -> tuple[str, str] | None:
    """Both loss curves as rows of bars on one scale, where they are not the same."""
    if len(comparison.curves) != 2 or comparison.curves[0] == comparison.curves[1]:
        return None
    thinned = []
    for curve in comparison.curves:
        last = len(curve.losses) - 1
        keep = range(last + 1) if last < width else [round(i * last / (width - 1)) for i in range(width)]
        thinned.append([curve.losses[i] for i in keep])
    both = sparkline([*thinned[0], *thinned[1]], 2 * width)
    return both[: len(thinned[0])], both[len(thinned[0]) :]


def loss_charts(comparison: Comparison, width: int = 1080) -> tuple[Chart, Chart, bool] | None:
    """Both loss curves over each other, linear and logarithmic, and whether only the logarithmic one shows them."""
    if len(comparison.curves) != 2:
        return None
    old, new = comparison.curves
    steps = sorted({*old.steps, *new.steps})
    series = []
    for name, curve in (("before", old), ("now", new)):
        values = dict(zip(curve.steps, curve.losses, strict=True))
        series.append(Line(name, [values.get(step) for step in steps], 5 if name == "before" else 0))
    known = [value for line in series for value in map(format.finite, line.values) if value is not None]
    wide = bool(known) and min(known) > 0 and max(known) / min(known) > 100
    made = [charts.line("Loss over the steps", series, steps, y_label="loss", log=log, width=width) for log in (False, True)]
    return made[0], made[1], wide
