"""``nnreport source FILE…``: the source checks alone, as a pre-commit hook and an editor want them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnreport.cli.config import read_config
from nnreport.cli.options import names

if TYPE_CHECKING:
    from nnreport.finding import Finding
    from nnreport.sourcecheck import Checked

LEFT_OUT = ("node_modules", "site-packages", "__pycache__", "build", "dist")
"""Folders that are not the user's own work; so are those whose name starts with a dot."""


class SourceCommand(click.Command):
    """Takes from ``[tool.nnreport]`` what it knows: the checks to select and to ignore, and when to fail."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        if not {"--help", "-h"} & set(args):
            known = read_config(self, Path.cwd(), strict=False)
            if known.get("fail_on") not in ("error", "warning", "note", "never"):
                known.pop("fail_on", None)  # the main command knows more of them
            extra["default_map"] = known
        return super().make_context(info_name, args, parent, **extra)


@click.command("source", cls=SourceCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER…")
@click.option("--select", multiple=True, metavar="SLUG|GROUP", help="Run these checks only.")
@click.option("--ignore", multiple=True, metavar="SLUG|GROUP", help="Leave these checks out.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="warning",
    show_default=True,
    help="Exit with 1 when a finding is at least that severe.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "github"]),
    default="text",
    show_default=True,
    help="Lines as a compiler's, or annotations for a GitHub workflow.",
)
def command(paths: tuple[Path, ...], select: tuple[str, ...], ignore: tuple[str, ...], fail_on: str, style: str) -> int:
    """Check the source of every torch Module in these Python files. Nothing is imported or run; files without a Module are passed
    over in silence."""
    from nnreport.cli.report import exit_status
    from nnreport.sourcecheck import check_files

    chosen, left_out = names(select), names(ignore)
    findings: list[Finding] = []
    for checked in check_files(files(paths), chosen, left_out):
        if checked.unread:
            click.echo(f"nnreport: {checked.path} {checked.unread}; it was not checked", err=True)
        findings += checked.findings
        if style == "text":
            for line in told(checked):
                click.echo(line)
    if style == "github":
        annotate(findings)
    worst = min((finding.severity for finding in findings), key=("error", "warning", "note").index, default=None)
    return exit_status(worst, fail_on)


def files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """The files, and the Python files below the folders, each once."""
    seen = set()
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(inside(path))
        for each in found:
            if each not in seen:
                seen.add(each)
                yield each


def inside(folder: Path) -> Iterator[Path]:
    """The Python files below a folder that are the user's own work."""
    for root, folders, inner in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in LEFT_OUT]
        yield from (Path(root, name) for name in inner if name.endswith(".py"))


def told(checked: Checked) -> Iterator[str]:
    """``path:line:column: severity[slug] message``, and how to mend it, indented, on the next line."""
    from nnreport.render.plain import visible

    for finding, column in zip(checked.findings, checked.columns, strict=True):
        place = f"{checked.path}:{finding.location.line if finding.location else 1}:{column}"
        yield visible(f"{place}: {finding.severity}[{finding.check}] {finding.message}")
        if finding.fix:
            yield visible(f"    fix: {finding.fix}")


def annotate(findings: list[Finding]) -> None:
    """The findings of all files as annotations, the worst first."""
    from nnreport.cli.github import put
    from nnreport.facts import Facts
    from nnreport.render.github import commands
    from nnreport.render.repository import here

    put(commands(findings, Facts(), here()))
