"""``--format github``: annotations on standard output, and the report in the job's summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nnreport.report import Report

SUMMARY_LIMIT = 1 << 20
"""Bytes that GitHub shows of one step's summary; it drops the whole of a larger one."""


def show(report: Report, summary: bool = True) -> None:
    """Prints the annotations; appends the Markdown to the job's summary where there is one."""
    from nnreport.render import github
    from nnreport.render.repository import here

    put(github.render(report, here()))
    if summary and (problem := append_summary(report, os.environ)):
        print(f"nnreport: {problem}", file=sys.stderr)


def put(text: str) -> None:
    """Standard output, in UTF-8 whatever the locale: that is what the runner reads."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def append_summary(report: Report, environment: Mapping[str, str]) -> str:
    """Adds the report to the file that ``GITHUB_STEP_SUMMARY`` names, after what other commands of the step wrote there.

    Returns:
        Why it could not be done, in a sentence; else the empty string.
    """
    from nnreport.render import markdown, placing

    name = environment.get("GITHUB_STEP_SUMMARY")
    if not name:
        return ""
    text = "\n" + markdown.render(report, **placing("markdown"))
    data = text.encode("utf-8", "replace")
    try:
        path = Path(name)
        held = path.stat().st_size if path.exists() else 0
        if held + len(data) > SUMMARY_LIMIT:
            return (
                f"the job summary holds {held:,} bytes and GitHub shows no more than {SUMMARY_LIMIT:,}: the report was left out"
            )
        with path.open("ab") as file:
            file.write(data if held else data.lstrip())
    except OSError as error:
        return f"the job summary could not be written: {error.strerror or error}"
    return ""
