"""What stands in the PDF of a comparison, and in that of a report that has a baseline, as plain values for the templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnreport.compare.records import Comparison, FindingChange
from nnreport.render import diff_view, format
from nnreport.render.diff_page import both, methods
from nnreport.render.paper_figures import Figure, chart_figure
from nnreport.render.paper_tables import Row
from nnreport.render.plain import visible

ROWS = 120
"""Rows of a table; the attached JSON has all."""
CHART = 680
CAPTIONS = {"fixed": "Fixed", "unchecked": "Not checked in both", "still": "Still there", "new": "New", "worse": "Worse"}


class Grid(NamedTuple):
    """A table as ``paper_parts.html.j2`` draws it; ``kind`` is its class."""

    caption: str
    head: list[str]
    rows: list[Row]
    right: tuple[int, ...] = ()
    note: str = ""
    kind: str = ""


def content(comparison: Comparison) -> dict[str, Any]:
    """The variables of ``templates/diff_paper.html.j2``."""
    from nnreport.render.paper import finding_values

    new = comparison.of("new", "worse")
    tables = [finding_table(comparison, state) for state in ("fixed", "unchecked", "still")]
    return {
        "comparison": comparison,
        "title": diff_view.title(comparison),
        "created": comparison.new.time,
        "sides": diff_view.sides(comparison),
        "verdict": diff_view.verdict(comparison),
        "state": diff_view.colour(comparison),
        "key": diff_view.key_rows(comparison),
        "although": diff_view.although_line(comparison),
        "count": len(comparison.findings),
        "findings": [finding_values(change.finding, i, change.state) for i, change in enumerate(new)],
        "finding_tables": [table for table in tables if table],
        "remarks": [visible(line) for line in (*diff_view.remarks(comparison), *comparison.stages)],
        "numbers": number_table(comparison),
        "layers": layer_table(comparison),
        "checkpoint": diff_view.checkpoint_line(comparison),
        "loss": loss(comparison),
        "methods": methods(comparison),
        "both": Grid("The two reports", ["", "Before", "Now"], [Row(list(row)) for row in both(comparison)], kind="both"),
        "notes": [],
        "format": format,
    }


def section(comparison: Comparison) -> dict[str, Any]:
    """The variables of ``templates/paper_changes.html.j2``."""
    found = [finding_table(comparison, state) for state in ("new", "worse", "fixed", "unchecked")]
    numbers = number_table(comparison, changed=True)
    return {
        "against": comparison.old.file or comparison.old.target or comparison.old.name,
        "verdict": diff_view.verdict(comparison),
        "state": diff_view.colour(comparison),
        "although": diff_view.although_line(comparison),
        "tables": [table for table in (*found, numbers, layer_table(comparison)) if table],
        "remarks": [
            visible(line)
            for line in (diff_view.checkpoint_line(comparison), *diff_view.remarks(comparison), *comparison.stages)
            if line
        ],
        "loss": loss(comparison) if diff_view.sparks(comparison) else None,
    }


def finding_table(comparison: Comparison, state: str) -> Grid | None:
    """Findings of one fate, a row each."""
    changes = comparison.of(state)
    if not changes:
        return None
    caption = f"{CAPTIONS[state]}: {format.plural(len(changes), 'finding')}"
    return Grid(caption, ["Severity", "Check", "Where", "Finding"], finding_rows(changes), note=more(len(changes)), kind="fate")


def finding_rows(changes: Sequence[FindingChange]) -> list[Row]:
    rows = []
    for change in changes[:ROWS]:
        finding = change.finding
        where = ", ".join(filter(None, (format.elide(diff_view.place(change), 80), format.place(finding.location))))
        told = f"{finding.message} ({change.reason})" if change.reason else finding.message
        rows.append(Row([diff_view.severities(change), visible(finding.check), visible(where), visible(told)]))
    return rows


def number_table(comparison: Comparison, changed: bool = False) -> Grid | None:
    """The numbers; ``changed``: those that differ only."""
    rows = [row for row in diff_view.number_rows(comparison) if not changed or row.state != "same"]
    if not rows:
        return None
    cells = [Row([row.label, row.old, row.new, row.change, visible(row.note)]) for row in rows]
    return Grid("Before and now", ["", "Before", "Now", "Change", "Note"], cells, (1, 2, 3), kind="change")


def layer_table(comparison: Comparison) -> Grid | None:
    """The layers, equal changes in one row."""
    rows = diff_view.layer_rows(comparison)
    if not rows:
        return None
    cells = []
    for row in rows[:ROWS]:
        names = ", ".join(format.elide(name, 80) for name in row.names) + (f" and {row.more} more" if row.more else "")
        cells.append(
            Row([f"{row.sign} {diff_view.KINDS[row.kind]}", visible(names), visible(row.cls), visible(row.what), row.parameters])
        )
    return Grid(
        "Layers that are not as they were",
        ["Change", "Layer", "Class", "What", "Parameters"],
        cells,
        (4,),
        more(len(rows)),
        "layer",
    )


def more(count: int) -> str:
    """What a table leaves out."""
    return f"and {count - ROWS:,} more, in the attached JSON" if count > ROWS else ""


def loss(comparison: Comparison) -> Figure | None:
    """Both curves over each other, on the axis that shows them."""
    made = diff_view.loss_charts(comparison, CHART)
    return chart_figure(made[1] if made[2] else made[0]) if made else None
