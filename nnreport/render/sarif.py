"""The findings as SARIF 2.1.0, as GitHub code scanning wants it.

Only findings at a line of the user's own files go in: code scanning refuses results without a place in the repository.
:func:`notes` says how many stayed out. Fields: https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from nnreport.checks.registry import Check, find
from nnreport.facts import Facts, Location
from nnreport.finding import Finding
from nnreport.report import Report
from nnreport.store import finite

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
DESCRIPTION_LIMIT = 1024
"""Characters of ``fullDescription`` that code scanning shows."""
PROBLEM_SEVERITY = {"error": "error", "warning": "warning", "note": "recommendation"}


def render(report: Report) -> str:
    """The SARIF log: one run, one rule per check that found something, one result per finding in the user's files."""
    placed = [finding for finding in report.findings if in_repository(finding.location)]
    slugs = list(dict.fromkeys(finding.check for finding in placed))
    run = {
        "tool": {
            "driver": {
                "name": "nnreport",
                "semanticVersion": version("nnreport"),
                "rules": [rule(slug, next(f for f in placed if f.check == slug)) for slug in slugs],
            }
        },
        # The part before the last slash is the category: several models of one repository do not overwrite each other.
        "automationDetails": {"id": f"nnreport/{report.model.target or report.model.name or 'model'}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation(report)],
        "results": [result(finding, slugs.index(finding.check), report.facts) for finding in placed],
    }
    log = {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}
    return json.dumps(finite(log), ensure_ascii=False, indent=1) + "\n"


def with_notes(report: Report) -> tuple[str, list[str]]:
    """The log, and what it could not hold."""
    return render(report), notes(report)


def notes(report: Report) -> list[str]:
    """Which findings the SARIF could not hold."""
    left = [finding.check for finding in report.findings if not in_repository(finding.location)]
    if not left:
        return []
    some = "1 finding belongs" if len(left) == 1 else f"{len(left)} findings belong"
    return [f"{some} to no line of your files and cannot stand in SARIF: {', '.join(dict.fromkeys(left))}"]


def in_repository(location: Location | None) -> bool:
    """Is it a line of a file of the user's, below the working directory?"""
    if location is None or not location.user or not location.path or location.line < 1:
        return False
    path = PurePosixPath(location.path.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0] and "<" not in location.path


def rule(slug: str, example: Finding) -> dict[str, Any]:
    """The rule of one check, with its page as help; of a plugin that is not installed here, what its finding tells."""
    check = find(slug)
    title = check.title if check else slug.replace("-", " ")
    severity = check.severity if check else example.severity
    described = " ".join(check.section("Looks for").split()) if check else ""
    return {
        "id": slug,
        "name": "".join(word.capitalize() for word in slug.split("-")),
        "shortDescription": {"text": sentence(title)},
        "fullDescription": {"text": shorten(described or sentence(title), DESCRIPTION_LIMIT)},
        "help": help_of(check, slug, example),
        "defaultConfiguration": {"level": severity},
        "properties": {
            "precision": "high",
            "problem.severity": PROBLEM_SEVERITY[severity],
            "tags": ["neural-network", *([check.group] if check else [])],
        },
    }


def help_of(check: Check | None, slug: str, example: Finding) -> dict[str, str]:
    """Help for a rule, as text and as Markdown."""
    page = check.page if check and check.page else example.fix or f"nnreport checks {slug}"
    title = check.title if check else slug
    return {"text": f"{title}\n\n{page}", "markdown": f"# {title}\n\n{page}"}


def result(finding: Finding, index: int, facts: Facts) -> dict[str, Any]:
    """One finding at its line."""
    assert finding.location is not None
    text = finding.message + (f"\nFix: {finding.fix}" if finding.fix else "")
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(finding.location.path), "uriBaseId": "%SRCROOT%"},
            "region": region(finding.location, facts),
        }
    }
    if finding.module is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.module or "model", "kind": "member"}]
    fingerprint = finding.fingerprint or f"{finding.check}:{finding.module or ''}"
    properties: dict[str, Any] = {"evidence": finding.evidence}
    if finding.module is not None:
        properties["module"] = finding.module or "(the model itself)"
    return {
        "ruleId": finding.check,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text or finding.check},
        "locations": [location],
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint}:1", "nnreport/v1": fingerprint},
        "properties": properties,
    }


def region(location: Location, facts: Facts) -> dict[str, Any]:
    """The whole line without its indentation, where the file's text is still at hand; else as much of it as is known."""
    start, text = 1, location.text
    for file in facts.source:
        lines = file.text.splitlines()
        if file.path == location.path and location.line <= len(lines):
            line = lines[location.line - 1]
            start, text = len(line) - len(line.lstrip()) + 1, line.strip()
    found: dict[str, Any] = {
        "startLine": location.line,
        "startColumn": start,
        "endLine": location.line,
        "endColumn": start + max(1, len(text)),
    }
    if text:
        found["snippet"] = {"text": text}
    return found


def invocation(report: Report) -> dict[str, Any]:
    """Did everything run? Stages that failed are told as notifications of the tool."""
    failed = report.failed_stages
    found: dict[str, Any] = {"executionSuccessful": not failed}
    if failed:
        texts = [f"stage {stage.name} {stage.state}: {stage.error}".rstrip(": ") for stage in failed]
        found["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}} for text in texts]
    return found


def uri(path: str) -> str:
    """A relative path as a URI reference."""
    return quote(path.replace("\\", "/").removeprefix("./"))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
