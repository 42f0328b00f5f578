"""The findings as GitHub workflow commands: annotations on the lines of a pull request.

GitHub shows at most ten errors, ten warnings and ten notices of a step and drops the rest without a word; the last one of a kind
says how many are not shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from nnreport.facts import Facts
from nnreport.finding import SEVERITIES, Finding
from nnreport.render.places import place_of
from nnreport.render.plain import shorten, visible
from nnreport.render.repository import NOWHERE, Place
from nnreport.report import Report

NEWS = ("new", "worse")
"""States since the baseline that the title says."""
LIMIT = 10
"""Annotations of one level that GitHub keeps per step."""
LONGEST = 4_000
"""Characters of a message; GitHub's own limit is 64 KB, and nobody reads that beside a line of code."""
COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, place: Place = NOWHERE) -> str:
    """One ``::error file=…,line=…,title=…::message`` a line; the empty string if there is nothing to say."""
    states = [report.comparison.state_of(i) if report.comparison else "" for i in range(len(report.findings))]
    return commands(report.findings, report.facts, place, states)


def commands(findings: Sequence[Finding], facts: Facts, place: Place = NOWHERE, states: Sequence[str] = ()) -> str:
    """The workflow commands of these findings.

    Args:
        findings: worst first.
        facts: where a finding without a line of its own may get one from.
        place: the working directory in its repository; paths are written relative to the repository's root.
        states: what became of each since the baseline. New ones stand first, so that they are among those that are shown.
    """
    known = dict(zip(map(id, findings), states, strict=False))
    lines = []
    for severity in SEVERITIES:
        found = [finding for finding in findings if finding.severity == severity]
        found.sort(key=lambda finding: known.get(id(finding)) not in NEWS)
        shown = found if len(found) <= LIMIT else found[: LIMIT - 1]
        lines += [annotation(finding, facts, place, known.get(id(finding), "")) for finding in shown]
        if len(found) > len(shown):
            rest = f"and {len(found) - len(shown)} more of this kind; the report lists them all"
            lines.append(command(COMMANDS[severity], {"title": "nnreport"}, rest))
    return "".join(line + "\n" for line in lines)


def annotation(finding: Finding, facts: Facts, place: Place, state: str = "") -> str:
    """One finding; where it has no line of the user's, it stands in the list of the run."""
    properties = {}
    if where := place_of(finding, facts):
        properties = {"file": place.path(where.path, facts.target.spec), "line": str(where.line)}
    news = f"{state}: " if state in NEWS else ""
    properties["title"] = f"{news}nnreport {finding.check}" + (f" in {shorten(finding.module, 200)}" if finding.module else "")
    message = finding.message + (f"\n{finding.fix}" if finding.fix else "") + (f"\n{finding.code}" if finding.code else "")
    return command(COMMANDS[finding.severity], properties, shorten(message, LONGEST))


def command(name: str, properties: dict[str, str], message: str) -> str:
    """A workflow command, escaped as actions/toolkit does, so that no name or message can start another one."""
    data = visible(message, keep_lines=True).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    pairs = ",".join(f"{key}={escape(value)}" for key, value in properties.items())
    return f"::{name} {pairs}::{data}"


def escape(value: str) -> str:
    """A property's value; what would act on the log's reader (escape sequences, other kinds of line breaks) is written out."""
    value = visible(value)
    for character, code in {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}.items():
        value = value.replace(character, code)
    return value
