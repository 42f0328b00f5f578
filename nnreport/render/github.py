"""The findings as GitHub workflow commands: annotations on the lines of a pull request.

GitHub shows at most ten errors, ten warnings and ten notices of a step and drops the rest without a word; the last one of a kind
says how many are not shown.
"""

from __future__ import annotations

from nnreport.finding import SEVERITIES, Finding
from nnreport.report import Report

LIMIT = 10
"""Annotations of one level that GitHub keeps per step."""
COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> str:
    """One ``::error file=…,line=…,title=…::message`` a line; the empty string if there is nothing to say."""
    lines = []
    for severity in SEVERITIES:
        found = [finding for finding in report.findings if finding.severity == severity]
        shown = found if len(found) <= LIMIT else found[: LIMIT - 1]
        lines += [annotation(finding) for finding in shown]
        if len(found) > len(shown):
            rest = f"and {len(found) - len(shown)} more of this kind; the report lists them all"
            lines.append(command(COMMANDS[severity], {"title": "nnreport"}, rest))
    return "".join(line + "\n" for line in lines)


def annotation(finding: Finding) -> str:
    """One finding; where it has no line of the user's, it stands in the list of the run."""
    properties = {}
    if finding.location and finding.location.user and finding.location.path:
        properties = {"file": finding.location.path.replace("\\", "/"), "line": str(max(1, finding.location.line))}
    properties["title"] = f"nnreport {finding.check}" + (f" in {finding.module}" if finding.module else "")
    message = finding.message + (f"\n{finding.fix}" if finding.fix else "") + (f"\n{finding.code}" if finding.code else "")
    return command(COMMANDS[finding.severity], properties, message)


def command(name: str, properties: dict[str, str], message: str) -> str:
    """A workflow command, escaped as actions/toolkit does, so that no name or message can start another one."""
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    pairs = ",".join(f"{key}={escape(value)}" for key, value in properties.items())
    return f"::{name} {pairs}::{data}"


def escape(value: str) -> str:
    """A property's value; line breaks of other kinds (form feed, U+2028) are no line breaks to GitHub."""
    for character, code in {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}.items():
        value = value.replace(character, code)
    return value
