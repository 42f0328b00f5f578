"""Everything that the page of a comparison shows, as plain values; and the section of a report that has a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnreport.compare import noise
from nnreport.compare.records import Comparison, FindingChange
from nnreport.render import diff_view, format
from nnreport.render.diagram import Diagram
from nnreport.render.page_findings import ICONS, cards
from nnreport.report import Report

LAYERS = 300
"""Rows of the layer table."""
WORST = 3
MARKS = {"fixed": "✓", "unchecked": "?"}
WIDTH = 760


def page(comparison: Comparison) -> dict[str, Any]:
    """The values of ``diff.html.j2``."""
    new = comparison.of("new", "worse")
    told = new_cards(new)
    rows = layer_rows(comparison)
    return {
        "comparison": comparison,
        "title": diff_view.title(comparison),
        "sides": diff_view.sides(comparison),
        "verdict": diff_view.verdict(comparison),
        "state": diff_view.colour(comparison),
        "icon": ICONS[diff_view.colour(comparison)],
        "although": diff_view.although(comparison),
        "key": diff_view.key_rows(comparison),
        "cards": told,
        "worst": told[:WORST],
        "count": len(comparison.findings),
        "fixed": lines(comparison.of("fixed")),
        "unchecked": lines(comparison.of("unchecked"), message=True),
        "still": lines(comparison.of("still"), message=True),
        "unasked": diff_view.unasked_line(comparison),
        "stages": comparison.stages,
        "rows": diff_view.number_rows(comparison),
        "missing": diff_view.missing_line(comparison),
        "layers": rows[:LAYERS],
        "more_layers": max(0, len(rows) - LAYERS),
        "checkpoint": diff_view.checkpoint_line(comparison),
        "loss": loss(comparison),
        "methods": methods(comparison),
        "both": both(comparison),
    }


def section(comparison: Comparison, anchors: Sequence[str]) -> dict[str, Any]:
    """The values of ``changes.html.j2``; ``anchors`` are those of the report's findings."""
    rows = layer_rows(comparison)
    numbers = diff_view.number_rows(comparison)
    return {
        "against": comparison.old.file or comparison.old.target or comparison.old.name,
        "verdict": diff_view.verdict(comparison),
        "state": diff_view.colour(comparison),
        "icon": ICONS[diff_view.colour(comparison)],
        "although": diff_view.although_line(comparison),
        "new": lines(comparison.of("new", "worse"), anchors),
        "fixed": lines(comparison.of("fixed")),
        "unchecked": lines(comparison.of("unchecked"), anchors),
        "rows": [row for row in numbers if row.state != "same"],
        "layers": rows[:LAYERS],
        "more_layers": max(0, len(rows) - LAYERS),
        "checkpoint": diff_view.checkpoint_line(comparison),
        "remarks": [*diff_view.remarks(comparison), *comparison.stages],
        "loss": loss(comparison) if diff_view.sparks(comparison) else None,
    }


def new_cards(changes: Sequence[FindingChange]) -> list[dict[str, Any]]:
    """Cards of new findings, as a report shows them."""
    report = Report(findings=[change.finding for change in changes])
    nothing = Diagram([], {}, {}, "", [], [])
    made = cards(report, nothing, {})
    for card, change in zip(made, changes, strict=True):
        card["state"] = change.state
    return made


def lines(changes: Sequence[FindingChange], anchors: Sequence[str] = (), message: bool = False) -> list[dict[str, Any]]:
    """Findings, a line each; with links where their cards have anchors."""
    return [
        {
            "state": change.state,
            "severity": change.finding.severity,
            "severities": diff_view.severities(change),
            "icon": MARKS.get(change.state, ICONS[change.finding.severity]),
            "check": change.finding.check,
            "place": diff_view.place(change),
            "location": format.place(change.finding.location),
            "reason": change.reason,
            "message": change.finding.message if message else "",
            "anchor": anchors[change.index] if change.index is not None and change.index < len(anchors) else "",
        }
        for change in changes
    ]


def layer_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Rows of the layer table, with the kind as a word."""
    return [{**row._asdict(), "word": diff_view.KINDS[row.kind]} for row in diff_view.layer_rows(comparison)]


def loss(comparison: Comparison) -> dict[str, Any] | None:
    """Both curves over each other."""
    made = diff_view.loss_charts(comparison, WIDTH)
    if made is None:
        return None
    quantity = comparison.quantity("loss")
    same = comparison.curves[0] == comparison.curves[1]
    note = "The two curves are the same." if same else (quantity.reason if quantity else "")
    return {"linear": made[0], "log": made[1], "wide": made[2], "note": note[:1].upper() + note[1:]}


def methods(comparison: Comparison) -> list[tuple[str, str]]:
    """What is called a change, and what is not."""
    seen = f" Here they took {comparison.machine:.2g} times as long." if comparison.machine is not None else ""
    return [
        (
            "Findings",
            "The same finding is the same check at the same module (under its new name) and kind of place, whatever its line and "
            "the numbers in its message. A check that answered in one report only says nothing of what was fixed or is new.",
        ),
        (
            "Layers",
            "Matched from the root down by name; numbered children in order, so that an insertion is one; what is left over, by "
            "structure.",
        ),
        ("Counts", "Parameters, FLOPs, sizes and shapes have no noise: for the same input any difference is a change."),
        ("Memory", f"Within {100 * noise.MEMORY:g} % is rounding by the allocator."),
        (
            "Time",
            f"A change if a step differs by more than {noise.TIME:g} times, as measured and after division by what unchanged "
            f"layers took, and by more where those took longer or shorter; {noise.TIME_ALONE:g} times where none can tell.{seen} "
            "On a busy machine two runs of one model differ by up to 7 times.",
        ),
        (
            "Loss",
            f"What is left of the first loss at the end, as a share of it, must differ by more than {noise.LOSS:g}; between "
            "seeds of one model it does by 0.12.",
        ),
    ]


def both(comparison: Comparison) -> list[tuple[str, str, str]]:
    """The two reports beside each other."""
    old, new = comparison.old, comparison.new
    rows = [
        ("File", old.file, new.file),
        ("Target", old.target, new.target),
        ("Made", old.time, new.time),
        ("nnreport", old.nnreport, new.nnreport),
        ("torch", old.torch, new.torch),
        ("Modules", format.count(old.modules), format.count(new.modules)),
        ("Findings", str(old.findings), str(new.findings)),
    ]
    return [(name, before or format.NOTHING, after or format.NOTHING) for name, before, after in rows if before or after]
