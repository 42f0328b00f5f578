"""A comparison as Markdown for a pull request: the verdict first, then what is new with its mend, then the rest, folded.

:func:`render` is the whole comment of ``nnreport diff``; :func:`section` is what a report made with ``--baseline`` carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnreport.compare.records import Comparison, FindingChange
from nnreport.render import diff_view, format, gfm
from nnreport.render.markdown import LIMIT, SIGNS, details, finding_section, source_link
from nnreport.render.plain import shorten

FULL = 10
"""New findings told in full."""
ROWS = 40
"""Rows of a table."""
NAME, TEXT = 80, 300
"""Characters of a name and of a sentence."""


def render(comparison: Comparison, base: str = "") -> str:
    """The Markdown; ``base`` as in :func:`nnreport.render.markdown.render`."""
    text, left = gfm.comment(f"nnreport diff {comparison.new.target or comparison.new.name}".strip()) + "\n", list[str]()
    for name, part in parts(comparison, base):
        if len(text) + len(part) + 2 > LIMIT or left:
            left.append(name)
        else:
            text += f"\n{part}\n"
    if left:
        text += f"\n*Shortened to fit a comment. Left out: {format.joined(list(dict.fromkeys(left)))}.*\n"
    return text


def parts(comparison: Comparison, base: str) -> Iterator[tuple[str, str]]:
    """Name and text of each part, the most important first."""
    sign = SIGNS.get(diff_view.colour(comparison), "✅")
    name = gfm.text(shorten(diff_view.title(comparison), 120))
    lines = [f"## {sign} {name}: {gfm.text(diff_view.verdict(comparison))}", ""]
    old, new = diff_view.sides(comparison)
    lines.append(f"{gfm.code(shorten(old, 200))} → {gfm.code(shorten(new, 200))}")
    yield "the verdict", "\n".join(lines)
    if line := although(comparison):
        yield "what differs in the runs", line
    new_ones = comparison.of("new", "worse")
    for change in new_ones[:FULL]:
        assert change.new is not None
        yield "new findings", finding_section(change.new, base, change.state)
    if len(new_ones) > FULL:
        yield "new findings", f"### {len(new_ones) - FULL} more new findings\n\n{finding_table(new_ones[FULL:], base)}"
    yield from body(comparison, base)
    still = comparison.of("still")
    if still:
        yield "findings still there", details(f"Still there: {format.plural(len(still), 'finding')}", finding_table(still, base))
    environment = [f"nnreport {gfm.text(comparison.new.nnreport)}".strip()]
    environment += [f"torch {gfm.text(comparison.new.torch)}"] if comparison.new.torch else []
    yield "the last line", f"<sub>{' · '.join(environment)}</sub>"


def body(comparison: Comparison, base: str) -> Iterator[tuple[str, str]]:
    """Fixed and unchecked findings, numbers, layers, the loss."""
    if fixed := comparison.of("fixed"):
        rows = [finding_line(change, base) for change in fixed[:ROWS]]
        yield "fixed findings", "**Fixed**\n\n" + "\n".join(rows) + more(fixed)
    if comparison.of("unchecked"):
        unchecked = comparison.of("unchecked")
        rows = [finding_line(change, base) for change in unchecked[:ROWS]]
        yield "findings not checked", "**Not checked in both**\n\n" + "\n".join(rows) + more(unchecked)
    if table := number_table(comparison):
        yield "the numbers", table
    for line in diff_view.remarks(comparison):
        yield "what was not measured", f"*{gfm.text(line)}*"
    if comparison.layers:
        yield "the layers", layer_table(comparison)
    if line := diff_view.checkpoint_line(comparison):
        yield "the checkpoint", gfm.text(line)
    if bars := diff_view.sparks(comparison):
        yield "the loss", f"**Loss**\n\n| before | `{bars[0]}` |\n| --- | --- |\n| now | `{bars[1]}` |"


def section(comparison: Comparison, base: str) -> Iterator[tuple[str, str]]:
    """The parts of a report about what changed since its baseline."""
    against = comparison.old.file or comparison.old.target or comparison.old.name
    sign = SIGNS.get(diff_view.colour(comparison), "✅")
    head = f"### Since {gfm.code(shorten(against, 120))}: {gfm.text(diff_view.verdict(comparison))} {sign}"
    line = although(comparison)
    yield "what changed", f"{head}\n\n{line}" if line else head
    new = comparison.of("new", "worse")
    if new:
        yield "what changed", "**New**\n\n" + "\n".join(finding_line(change, base) for change in new[:ROWS]) + more(new)
    yield from body(comparison, base)


def although(comparison: Comparison) -> str:
    """How the two runs differ, in a line."""
    line = diff_view.although_line(comparison)
    return f"*{gfm.text(shorten(line, 600))}*" if line else ""


def more(changes: Sequence[FindingChange]) -> str:
    return f"\n- and {len(changes) - ROWS} more" if len(changes) > ROWS else ""


def finding_line(change: FindingChange, base: str) -> str:
    """``- 🛑 error: dead-relu in `fc1` at model.py:14``."""
    finding = change.finding
    mark = "~~" if change.state == "fixed" else ""
    told = [f"- {SIGNS[finding.severity]} {diff_view.severities(change)}: {mark}{gfm.text(finding.check)}{mark}"]
    if where := diff_view.place(change):
        told.append(f"in {gfm.code(format.elide(where, NAME))}")
    if finding.location:
        told.append(f"at {source_link(finding.location, base) if change.new else gfm.code(format.place(finding.location))}")
    if change.reason:
        told.append(f"({gfm.text(shorten(change.reason, TEXT))})")
    return " ".join(told)


def finding_table(changes: Sequence[FindingChange], base: str) -> str:
    """A row each."""
    rows = [
        [
            f"{SIGNS[change.finding.severity]} {diff_view.severities(change)}",
            gfm.text(change.finding.check),
            gfm.code(format.elide(diff_view.place(change), 60)),
            source_link(change.finding.location, base) if change.finding.location else "",
            gfm.text(shorten(change.finding.message, 200)),
        ]
        for change in changes[:ROWS]
    ]
    return gfm.table(["Severity", "Check", "Module", "Source", "Finding"], rows) + (
        f"\n\nand {len(changes) - ROWS} more" if len(changes) > ROWS else ""
    )


def number_table(comparison: Comparison) -> str:
    """What changed in bold in sight; where nothing did, everything folded."""
    rows = diff_view.number_rows(comparison)
    if not rows:
        return ""
    cells = [
        [
            gfm.text(each.label),
            gfm.text(shorten(each.old, NAME)),
            gfm.text(shorten(each.new, NAME)),
            f"**{gfm.text(each.change)}**" if each.state == "changed" else gfm.text(each.change),
            gfm.text(each.note),
        ]
        for each in rows
    ]
    changed = [cell for cell, each in zip(cells, rows, strict=True) if each.state == "changed"]
    others = [cell for cell, each in zip(cells, rows, strict=True) if each.state != "changed"]
    head, right = ["", "Before", "Now", "Change", "Note"], (1, 2, 3)
    shown = gfm.table(head, changed, right) if changed else ""
    folded = details(f"Numbers that did not change ({len(others)})", gfm.table(head, others, right)) if others else ""
    return "\n\n".join(filter(None, (shown, folded)))


def layer_table(comparison: Comparison) -> str:
    """Layers, equal changes in one row."""
    rows = diff_view.layer_rows(comparison)
    cells = [
        [
            f"{each.sign} {diff_view.KINDS[each.kind]}",
            ", ".join(gfm.code(format.elide(name, NAME)) for name in each.names)
            + (f" and {each.more} more" if each.more else ""),
            gfm.text(each.cls),
            gfm.text(shorten(each.what, TEXT)),
            each.parameters,
        ]
        for each in rows[:ROWS]
    ]
    table = gfm.table(["", "Layer", "Class", "What", "Parameters"], cells, (4,))
    rest = f"\n\nand {len(rows) - ROWS} more rows" if len(rows) > ROWS else ""
    words = format.joined(diff_view.layer_words(comparison)) or "renumbered layers"
    return details(f"Layers: {words}", table + rest) if len(rows) > 8 else table + rest
