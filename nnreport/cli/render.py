"""``nnreport render REPORT.json -o FILE``: the pages of a saved report, without the model."""

from __future__ import annotations

from pathlib import Path

import click

from nnreport.cli.outputs import check_outputs, write_outputs


@click.command("render", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("report", type=click.Path(path_type=Path), metavar="REPORT.json")
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FILE", help="Where to; the suffix says what (default: NAME.html)."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
def command(report: Path, outputs: tuple[str, ...], quiet: bool) -> None:
    """Draw a saved JSON report again, in any format: .html .pdf .json .md .sarif, or - for Markdown."""
    from nnreport.store import load

    wanted = list(outputs) or [str(report.with_suffix(".html"))]
    check_outputs(wanted)
    write_outputs(load(report), wanted, quiet=quiet)
