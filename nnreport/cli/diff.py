"""``nnreport diff OLD.json NEW.json``: what changed between two saved reports."""

from __future__ import annotations

from pathlib import Path

import click

from nnreport.cli.outputs import check_outputs, write_all
from nnreport.compare.records import Comparison

FAIL_ON = ("new-error", "new-warning", "new-note")


@click.command("diff", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("old", type=click.Path(path_type=Path), metavar="OLD.json")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW.json")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Where to; the suffix says what: .html .pdf .json .md; - prints Markdown. [default: the terminal alone]",
)
@click.option(
    "--fail-on",
    type=click.Choice([*FAIL_ON, "never"]),
    default="never",
    show_default=True,
    help="Exit with 1 when a finding that is at least that severe is new.",
)
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
def command(old: Path, new: Path, outputs: tuple[str, ...], fail_on: str, quiet: bool) -> int:
    """Say what changed from one saved report to another: parameters, FLOPs, memory and time, layers added, removed and reshaped,
    findings new, fixed and still there. Reports are saved with -o report.json."""
    from nnreport.compare.compare import compare
    from nnreport.render.diff_save import FORMATS, save
    from nnreport.store import load

    check_outputs(list(outputs), FORMATS)
    comparison = compare(load(old), load(new), old.name, new.name)

    def text() -> str:
        from nnreport.render.diff_markdown import render

        return render(comparison)

    write_all(list(outputs), text, lambda path: save(comparison, path), quiet, announce=False)
    if not quiet and "-" not in outputs:
        from nnreport.render.diff_terminal import show

        show(comparison, outputs)
    return failed(comparison, fail_on)


def failed(comparison: Comparison | None, fail_on: str) -> int:
    """1 when a finding that reaches ``--fail-on new-…`` is new (or became that severe)."""
    if comparison is None or not fail_on.startswith("new-"):
        return 0
    from nnreport.finding import SEVERITIES

    severe = SEVERITIES[: [str(each) for each in SEVERITIES].index(fail_on.removeprefix("new-")) + 1]
    return int(comparison.worst_new in severe)


__all__ = ["FAIL_ON", "command", "failed"]
