"""Scores nnreport on the labelled networks of ``tests/networks`` and writes the table of ``docs/checks.md``.

    python tests/score_networks.py [--only NAME] [--table]

A case has ``expect``: groups of checks of which at least one must be found (empty: a healthy network), ``where``: the module that
the finding must name, one per group, ``allow``: checks that may be found too. Notes count neither for nor against.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from nnreport.build import build_report
from nnreport.cli.report import command, job_of
from nnreport.finding import Finding
from nnreport.session import Collector

NETWORKS = Path(__file__).resolve().parent / "networks"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "checks.md"


@dataclass
class Score:
    """What became of one case."""

    name: str
    healthy: bool
    groups: int
    missed: list[list[str]] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    true: int = 0
    trouble: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not (self.missed or self.false or self.trouble)


def cases() -> list[dict[str, Any]]:
    return json.loads((NETWORKS / "cases.json").read_text())


def findings_of(arguments: list[str]) -> tuple[list[Finding], str]:
    """The findings for a command line, in this process, and what failed of nnreport's own."""
    from nnreport.inspector.pipeline import Pipeline

    job = job_of(command.make_context("nnreport", arguments).params)
    collector = Collector()
    before = set(sys.modules)
    here = os.getcwd()
    os.chdir(NETWORKS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            Pipeline(job, collector).run()
    finally:
        os.chdir(here)
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and str(NETWORKS) in str(sys.modules[name].__file__):
                del sys.modules[name]
    report = build_report(collector.facts, collector.stages.values())
    trouble = [fault.traceback for fault in collector.faults]
    trouble += [f"{outcome.check}: {outcome.reason}" for outcome in report.outcomes if outcome.state == "failed"]
    return report.findings, collector.usage or "\n".join(trouble)


def placed(module: str | None, place: str | None) -> bool:
    """Is the module the place, in it, or around it?"""
    if not place:
        return True
    named, wanted = f"{module or ''}.", f"{place}."
    return named.startswith(wanted) or (bool(module) and wanted.startswith(named))


def score(case: dict[str, Any]) -> Score:
    """Runs one case and holds its findings against its labels."""
    start = perf_counter()
    findings, trouble = findings_of(case["args"])
    result = Score(case["name"], not case["expect"], len(case["expect"]), trouble=trouble, seconds=perf_counter() - start)
    wanted = set(case.get("allow", []))
    places = case.get("where") or [None] * len(case["expect"])
    for group, place in zip(case["expect"], places, strict=True):
        wanted |= set(group)
        if not any(finding.check in group and placed(finding.module, place) for finding in findings):
            result.missed.append(group)
    for finding in findings:
        if finding.severity != "note":
            if finding.check in wanted:
                result.true += 1
            else:
                result.false.append(f"{finding.check}@{finding.module or ''}: {finding.message}")
    return result


def summary(scores: list[Score]) -> dict[str, float | str]:
    groups, missed = sum(s.groups for s in scores), sum(len(s.missed) for s in scores)
    true, false = sum(s.true for s in scores), sum(len(s.false) for s in scores)
    healthy = [s for s in scores if s.healthy]
    return {
        "recall": (groups - missed) / groups if groups else 1.0,
        "precision": true / (true + false) if true + false else 1.0,
        "healthy clean": f"{sum(s.good for s in healthy)} of {len(healthy)}",
        "own faults": sum(bool(s.trouble) for s in scores),
    }


def table(scores: list[Score]) -> str:
    """The Markdown table of ``docs/checks.md``."""
    why = {case["name"]: case for case in cases()}
    lines = ["| network | what it is | expected | verdict |", "|---|---|---|---|"]
    for s in scores:
        expected = "; ".join(" or ".join(group) for group in why[s.name]["expect"]) or "nothing"
        verdict = (
            "as expected"
            if s.good
            else "; ".join([f"missed {g}" for g in s.missed] + [f"false {f.split(':')[0]}" for f in s.false])
        )
        lines.append(f"| {s.name} | {why[s.name]['why']} | {expected} | {verdict or s.trouble[:60]} |")
    numbers = summary(scores)
    first = (
        f"{len(scores)} networks: recall {numbers['recall']:.3f}, precision {numbers['precision']:.3f}, "
        f"healthy ones without a loud finding {numbers['healthy clean']}."
    )
    return f"{first}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--table", action="store_true", help="write the table into docs/checks.md")
    options = parser.parse_args()
    scores = []
    for case in cases():
        if options.only and case["name"] not in options.only:
            continue
        result = score(case)
        scores.append(result)
        print(
            f"{'ok  ' if result.good else 'FAIL'} {result.name:<20} {result.seconds:5.1f} s",
            *result.missed,
            *result.false,
            result.trouble,
        )
    print(summary(scores))
    if options.table:
        before = DOCS.read_text().partition("<!-- scores -->")[0] if DOCS.exists() else "# Checks\n\n"
        DOCS.write_text(f"{before}<!-- scores -->\n\n{table(scores)}")


if __name__ == "__main__":
    main()
