"""A comparison for the terminal: what changed, worst first, worth reading alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from nnreport.compare.records import Comparison, FindingChange
from nnreport.render import diff_view, format
from nnreport.render.plain import visible
from nnreport.render.terminal import STYLES, WIDTH, full, one_line, paint, put, row
from nnreport.report import Report

STATES = {"new": "new", "worse": "worse", "fixed": "fixed", "unchecked": "not checked", "still": "still there"}
ROWS = 14
"""Rows of layers, and findings of one kind told in a line; of the rest, their number."""
FULL = 6
"""New findings told in full."""
COLOURS = {"added": "ok", "removed": "error"}


def render(comparison: Comparison, width: int = WIDTH, colour: bool = False, written: Sequence[str] = ()) -> str:
    """The summary as text; see :func:`nnreport.render.terminal.render`."""
    return paint(lambda columns: parts(comparison, written), width, colour)


def show(comparison: Comparison, written: Sequence[str] = (), file: TextIO | None = None) -> None:
    """Print the summary as this stream can take it."""
    put(lambda width, colour: render(comparison, width, colour, written), file)


def parts(comparison: Comparison, written: Sequence[str]) -> list[RenderableType]:
    """The paragraphs, in order."""
    old, new = diff_view.sides(comparison)
    head = Text.assemble((visible(diff_view.title(comparison)), STYLES["strong"]))
    head.append(f"  {visible(old)} → {visible(new)}", STYLES["quiet"])
    found: list[RenderableType] = ["", head]
    found += changes(comparison)
    new_ones = comparison.of("new", "worse")
    for change in new_ones[:FULL]:
        assert change.new is not None
        first, *rest = full(change.new, Report())
        assert isinstance(first, Text)
        found += ["", Text.assemble((f"{STATES[change.state]} ", STYLES[change.finding.severity]), first), *rest]
    found += lines(new_ones[FULL:])
    found += lines(comparison.of("fixed"))
    found += lines(comparison.of("unchecked"))
    found += lines(comparison.of("still"))
    found += ["", conclusion(comparison)]
    found += [Text.assemble(("report: ", STYLES["quiet"]), (visible(name), STYLES["strong"])) for name in written]
    return found


def changes(comparison: Comparison) -> list[RenderableType]:
    """All but the findings: how they differ, numbers, layers, loss."""
    found: list[RenderableType] = []
    if line := diff_view.although_line(comparison):
        found.append(Text(visible(line), STYLES["quiet"]))
    if table := numbers(comparison):
        found += ["", table]
    if comparison.layers:
        found += ["", layers(comparison)]
    found += [Text(visible(line), STYLES["quiet"]) for line in diff_view.remarks(comparison)]
    if line := diff_view.checkpoint_line(comparison):
        found.append(Text(line, STYLES["quiet"]))
    if bars := diff_view.sparks(comparison):
        for label, curve in zip(("loss before", "loss now   "), bars, strict=True):
            found.append(Text.assemble((f"{label}  ", STYLES["quiet"]), curve))
    return found


def numbers(comparison: Comparison) -> RenderableType | None:
    """The numbers that changed, and of the five that stand first those that differ without being a change."""
    key = {each.label for each in diff_view.number_rows(comparison) if each.state == "changed"}
    first = {q.label for name in diff_view.KEY if (q := comparison.quantity(name)) and q.state != "same"}
    rows = [each for each in diff_view.number_rows(comparison) if each.label in key | first]
    if not rows:
        return None
    grid = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "right", "left"):
        grid.add_column(justify=justify, overflow="fold")
    for each in rows:
        changed = each.state == "changed"
        values = [value.replace(format.SPACE, " ") for value in (each.old, f"→ {each.new}", each.change)]
        style = STYLES["strong"] if changed else STYLES["quiet"]
        note = Text(visible(each.note), STYLES["quiet"])
        grid.add_row(Text(each.label, STYLES["quiet"]), *(Text(visible(value), style) for value in values), note)
    return grid


def layers(comparison: Comparison) -> RenderableType:
    """A line for each change, equal ones together."""
    rows = diff_view.layer_rows(comparison)
    grid = Table.grid(padding=(0, 2))
    for each in rows[:ROWS]:
        names = ", ".join(visible(format.elide(name, 60)) for name in each.names)
        names += f" and {each.more} more" if each.more else ""
        style = STYLES[COLOURS[each.kind]] if each.kind in COLOURS else STYLES["strong"]
        parameters = f"{each.parameters} parameters" if each.parameters else ""
        about = "; ".join(filter(None, (visible(each.what), parameters)))
        kind = Text(f"{each.sign} {'changed' if each.kind == 'retyped' else each.kind}", style)
        grid.add_row(kind, names, Text(visible(each.cls), STYLES["quiet"]), Text(about, STYLES["quiet"]))
    if len(rows) > ROWS:
        grid.add_row("", Text(f"and {len(rows) - ROWS} more", STYLES["quiet"]))
    return grid


def lines(changes: Sequence[FindingChange]) -> list[RenderableType]:
    """A line for each finding, under what became of it."""
    found: list[RenderableType] = [""] if changes else []
    for change in changes[:ROWS]:
        style = STYLES["ok"] if change.state == "fixed" else STYLES["quiet"]
        label = Text.assemble((f"{STATES[change.state]:<12}", style))
        told = one_line(change.finding)
        if change.reason:
            told.append(f" ({visible(change.reason)})", STYLES["quiet"])
        if change.state in ("still", "fixed"):
            told = short(change)
        found.append(row(label, told))
    if len(changes) > ROWS:
        found.append(Text(f"and {len(changes) - ROWS} more", STYLES["quiet"]))
    return found


def short(change: FindingChange) -> Text:
    """Name and place of a finding that needs no words: it is gone, or was there."""
    told = Text.assemble((f"{diff_view.severities(change)}[{change.finding.check}]", Style()))
    if where := diff_view.place(change):
        told.append(f" {visible(format.elide(where, 70))}", STYLES["strong"])
    if change.finding.location:
        told.append(f" ({visible(format.place(change.finding.location))})", STYLES["quiet"])
    return told.append(f"; {visible(change.reason)}", STYLES["quiet"]) if change.reason else told


def conclusion(comparison: Comparison) -> Text:
    """The verdict."""
    return Text(visible(diff_view.verdict(comparison).replace(format.SPACE, " ")), STYLES[diff_view.colour(comparison)])


def section(comparison: Comparison) -> list[RenderableType]:
    """What a report made with a baseline says of it: the changes and the findings that went; the new ones are marked there."""
    against = comparison.old.file or comparison.old.target
    head = Text.assemble(("since ", STYLES["quiet"]), (visible(against), STYLES["strong"]), ": ", conclusion(comparison))
    found = ["", head, *changes(comparison)]
    return found + lines([*comparison.of("fixed"), *(each for each in comparison.of("unchecked") if each.new is None)])
