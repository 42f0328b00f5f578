"""The summary for the terminal: findings like a compiler's, each with its source line, and where the report was written.

:func:`render` is pure; :func:`show` prints it as the terminal at hand can take it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from nnreport.finding import Finding
from nnreport.render import format
from nnreport.render.plain import sparkline, underline, visible
from nnreport.render.view import key_numbers, verdict
from nnreport.report import Report

STYLES = {
    "error": Style(color="red", bold=True),
    "warning": Style(color="yellow", bold=True),
    "note": Style(color="cyan", bold=True),
    "ok": Style(color="green", bold=True),
    "quiet": Style(dim=True),
    "strong": Style(bold=True),
}
WIDTH = 100
"""Columns where there is no terminal to ask."""
WIDEST = 120
"""Columns beyond which text is hard to read."""
FULL = 12
"""Findings that are told in full; of the rest, one line each."""
ASCII = str.maketrans({"×": "x", "→": "->", "—": "-", "−": "-", "·": "-", "…": "...", "│": "|", "µ": "u", "∞": "inf"})
"""For a terminal whose encoding holds none of these."""


def render(report: Report, width: int = WIDTH, colour: bool = False, written: Sequence[str] = ()) -> str:
    """The summary as text.

    Args:
        report: what to tell.
        width: columns; at least 30 are used.
        colour: with the escape sequences of a terminal, else plain text.
        written: names of the files the report was written to.
    """
    return paint(lambda columns: parts(report, columns, written), width, colour)


def listed(findings: Sequence[Finding], width: int = WIDTH) -> str:
    """Findings without the report around them, for the interactive Python."""
    if not findings:
        return "nothing was found"
    few = [part for finding in findings[:FULL] for part in ["", *full(finding, Report())]]
    rest: list[RenderableType] = [one_line(finding) for finding in findings[FULL:]]
    return paint(lambda _: [*few, *([""] if rest else []), *rest], width, False).strip("\n")


def paint(made: Callable[[int], list[RenderableType]], width: int, colour: bool) -> str:
    """Paragraphs as text; ``made`` gives them for a number of columns."""
    console = Console(
        file=io.StringIO(),
        width=max(30, width),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as capture:
        for part in made(console.width):
            console.print(part)
    return "\n".join(line.rstrip() if not colour else line for line in capture.get().split("\n"))


def parts(report: Report, width: int, written: Sequence[str]) -> list[RenderableType]:
    """The paragraphs of the summary, in order."""
    found: list[RenderableType] = ["", headline(report), numbers(report, width)]
    if report.comparison:
        from nnreport.render.diff_terminal import section

        found += section(report.comparison)
    for index, finding in enumerate(report.findings[:FULL]):
        first, *rest = full(finding, report)
        found += ["", Text.assemble(fate(report, index), first), *rest]  # type: ignore[arg-type]
    if left := report.findings[FULL:]:
        found.append("")
        found += [Text.assemble(fate(report, FULL + i), one_line(finding)) for i, finding in enumerate(left)]
    if failed := report.failed_stages:
        found.append("")
        for stage in failed:
            why = f": {stage.error}" if stage.error else ""
            found.append(Text.assemble((visible(f"{stage.name} {stage.state}"), STYLES["warning"]), visible(why)))
    if faults := broken(report):
        found.append("")
        found += [Text.assemble("check ", (visible(name), STYLES["warning"]), visible(why)) for name, why in faults]
    if (reason := untrained(report)) and not report.failed_stages:
        found += ["", Text(visible(f"not trained: {reason}"), STYLES["quiet"])]
    found += ["", conclusion(report)]
    found += [Text.assemble(("report: ", STYLES["quiet"]), (visible(name), STYLES["strong"])) for name in written]
    return found


def fate(report: Report, index: int) -> Text:
    """``new`` before a finding that the baseline does not have."""
    state = report.comparison.state_of(index) if report.comparison else ""
    return Text(f"{state} ", STYLES[report.findings[index].severity]) if state in ("new", "worse") else Text()


def broken(report: Report) -> list[tuple[str, str]]:
    """Checks that broke, and how: a plugin's, mostly."""
    return [(outcome.check, f" failed: {outcome.reason}") for outcome in report.outcomes if outcome.state == "failed"]


def untrained(report: Report) -> str:
    """Why the probe was left out, where that was not asked for."""
    skipped = (stage.error for stage in report.stages if stage.name == "probe" and stage.state == "skipped")
    return next((why for why in skipped if why and not why.startswith("--no-probe")), "")


def headline(report: Report) -> Text:
    """What was looked at."""
    model = report.model
    line = Text.assemble((visible(model.name or model.target or "model"), STYLES["strong"]))
    about = [visible(model.target)] if model.target and model.target != model.name else []
    if model.inputs:
        about.append(visible(", ".join(model.inputs) + (f" → {model.output}" if model.output else "")))
    return line.append("  " + "  ·  ".join(about), STYLES["quiet"]) if about else line


def numbers(report: Report, width: int) -> RenderableType:
    """The key numbers in one row, or below each other where that is too wide; the loss as a curve."""
    pairs = [(number.label, number.value.replace(format.SPACE, " ")) for number in key_numbers(report)]
    probe = report.facts.probe
    if probe and len(probe.losses) > 1:
        pairs.append(("loss curve", sparkline(probe.losses, 24)))
    wide = sum(max(len(label), len(value)) + 2 for label, value in pairs) <= width + 2
    grid = Table.grid(padding=(0, 2))
    if wide:
        grid.add_row(*[Text(label, STYLES["quiet"]) for label, _ in pairs])
        grid.add_row(*[Text(value, STYLES["strong"]) for _, value in pairs])
    else:
        for label, value in pairs:
            grid.add_row(Text(label, STYLES["quiet"]), Text(value, STYLES["strong"]))
    return grid


def title(finding: Finding) -> Text:
    """``error[dead-relu] fc1: message``."""
    module = f" {visible(format.elide(finding.module, 60))}" if finding.module else ""
    return Text.assemble(
        (f"{finding.severity}[{finding.check}]", STYLES[finding.severity]),
        (module, STYLES["strong"]),
        f": {visible(finding.message)}",
    )


def full(finding: Finding, report: Report) -> list[RenderableType]:
    """One finding as a compiler tells it: title, place, source line with what it is about underlined, why, fix."""
    found: list[RenderableType] = [title(finding)]
    where = finding.location
    number = str(where.line) if where else ""
    gutter = max(2, len(number))
    if where:
        inside = f" in {visible(where.function)}" if where.function else ""
        arrow = (f"{'':{gutter}}--> ", STYLES["quiet"])
        found.append(Text.assemble(arrow, (visible(format.place(where)), STYLES["strong"]), (inside, STYLES["quiet"])))
    if where and where.text:
        line = visible(where.text.strip())
        start, length = underline(line, finding.module, operation(finding, report))
        marked = cell_len(line[start : start + length])  # a Chinese character is two columns wide
        quoted = Text.assemble(line, "\n", " " * cell_len(line[:start]), ("^" * max(1, marked), STYLES[finding.severity]))
        if cell_len(line) > 160:  # a line that wraps cannot be underlined
            quoted = Text(line)
        found.append(row(Text(f"{number:>{gutter}} │ \n{'':{gutter}} │ ", STYLES["quiet"]), quoted))
    if len(finding.modules) > 1:
        names = [visible(name) or "the model" for name in finding.modules]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        found.append(remark(gutter, "modules", ", ".join(names[:8]) + more))
    for label, text in (("why", finding.why), ("fix", finding.fix)):
        if text:
            found.append(remark(gutter, label, visible(text)))
    if finding.code:
        code = Text("\n").join(code_line(line) for line in visible(finding.code, keep_lines=True).strip("\n").split("\n"))
        found.append(Padding(code, (0, 0, 0, gutter + 5)))
    found += [remark(gutter, "so", visible(text)) for text in finding.consequences[:3]]
    if len(finding.consequences) > 3:
        found.append(remark(gutter, "so", f"and {len(finding.consequences) - 3} more that follow from it"))
    return found


def remark(gutter: int, label: str, text: str) -> RenderableType:
    """``= fix: text``, wrapped under itself."""
    return row(Text.assemble((f"{'':{gutter}} = ", STYLES["quiet"]), (f"{label}: ", STYLES["strong"])), Text(text))


def row(left: Text, right: Text) -> Table:
    """Text that is wrapped beside what stands at its left."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(left, right)
    return grid


def code_line(line: str) -> Text:
    """A line of a fix; added and removed ones are coloured."""
    style = STYLES["ok"] if line.startswith("+") else STYLES["error"] if line.startswith("-") else Style()
    return Text(line, Style(color=style.color))


def one_line(finding: Finding) -> Text:
    """A finding in one line, for those beyond the first."""
    line = title(finding)
    if finding.location:
        line.append(f" ({visible(format.place(finding.location))})", STYLES["quiet"])
    return line


def operation(finding: Finding, report: Report) -> str:
    """Name of the operation that a finding is about."""
    graph = report.facts.graph
    if finding.node is None or graph is None:
        return ""
    return next((node.name for node in graph.nodes if node.id == finding.node and node.kind == "op"), "")


def conclusion(report: Report) -> Text:
    """The verdict."""
    return Text(visible(verdict(report).replace(format.SPACE, " ")), STYLES[report.worst or "ok"])


# ------------------------------------------------------------------------------------------------------------ printing


def show(report: Report, written: Sequence[str] = (), file: TextIO | None = None) -> None:
    """Print the summary as this stream can take it: coloured on a terminal unless ``NO_COLOR`` is set (``FORCE_COLOR`` colours
    elsewhere too), as wide as the terminal, and in the characters that its encoding has."""
    put(lambda width, colour: render(report, width, colour, written), file)


def put(drawn: Callable[[int, bool], str], file: TextIO | None = None) -> None:
    """Write what is drawn for this stream's width and colour, in the characters that it has; see :func:`show`."""
    file = file or sys.stdout
    terminal = bool(getattr(file, "isatty", lambda: False)())
    text = drawn(width_of(file, terminal), wants_colour(terminal))
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:  # the reader has seen enough; Python would complain once more when it closes the stream
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def wants_colour(terminal: bool) -> bool:
    """https://no-color.org and https://force-color.org: set and not empty."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"


def width_of(file: TextIO, terminal: bool) -> int:
    """Columns of the terminal, of ``COLUMNS``, or a width fit for a log."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return min(int(columns), WIDEST)
    if not terminal:
        return WIDTH
    try:
        return min(os.get_terminal_size(file.fileno()).columns or 80, WIDEST)
    except OSError:
        return 80
