"""The findings as SARIF 2.1.0, as GitHub code scanning wants it.

Code scanning refuses results without a place in the repository: a finding without a line of its own stands at the nearest one
that tells something about it (its call, its class, the target's file). Where there is none (an installed package's model) it is
told as a notification of the tool, and :func:`notes` says so. Fields: https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from importlib.metadata import metadata, version
from typing import Any
from urllib.parse import quote

from nnreport.checks.registry import Check, find
from nnreport.facts import Facts, Location
from nnreport.finding import Finding
from nnreport.render.places import place_of
from nnreport.render.plain import shorten
from nnreport.render.repository import NOWHERE, Place
from nnreport.report import Report
from nnreport.store import finite

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
DESCRIPTION_LIMIT = 1024
"""Characters of ``fullDescription`` that code scanning shows."""
BASELINE = {"new": "new", "worse": "updated", "still": "unchanged"}
"""What became of a finding since the baseline -> SARIF's word for it; of what was not checked in both nothing is said."""
PROBLEM_SEVERITY = {"error": "error", "warning": "warning", "note": "recommendation"}


def render(report: Report, place: Place = NOWHERE) -> str:
    """The SARIF log: one run, one rule per check that found something, one result per finding in the user's files.

    Args:
        report: what to tell.
        place: the working directory in its repository; paths are written relative to the repository's root.
    """
    found = enumerate(report.findings)
    placed = [(i, finding, where) for i, finding in found if (where := place_of(finding, report.facts))]
    slugs = list(dict.fromkeys(finding.check for _, finding, _ in placed))
    examples = {finding.check: finding for _, finding, _ in reversed(placed)}
    seen: Counter[str] = Counter()
    results = []
    for i, finding, where in placed:
        made = result(finding, where, slugs.index(finding.check), report.facts, place, seen)
        state = BASELINE.get(report.comparison.state_of(i)) if report.comparison else None
        results.append({**made, "baselineState": state} if state else made)
    run = {
        "tool": {
            "driver": {
                "name": "nnreport",
                "semanticVersion": version("nnreport"),
                **({"informationUri": home} if (home := documentation()) else {}),
                "rules": [rule(slug, examples[slug]) for slug in slugs],
            }
        },
        # The part before the last slash is the category: several models of one repository do not overwrite each other.
        "automationDetails": {"id": f"nnreport/{report.model.target or report.model.name or 'model'}/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation(report)],
        "results": results,
    }
    log = {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}
    return json.dumps(finite(log), ensure_ascii=False, indent=1) + "\n"


def with_notes(report: Report, place: Place = NOWHERE) -> tuple[str, list[str]]:
    """The log, and what it could not hold."""
    return render(report, place), notes(report)


def unplaced(report: Report) -> list[Finding]:
    """Findings that belong to no file of the user's."""
    return [finding for finding in report.findings if place_of(finding, report.facts) is None]


def notes(report: Report) -> list[str]:
    """Which findings the SARIF could not hold as results."""
    left = [finding.check for finding in unplaced(report)]
    if not left:
        return []
    some = "1 finding belongs" if len(left) == 1 else f"{len(left)} findings belong"
    return [f"{some} to no file of yours and cannot stand in SARIF: {', '.join(dict.fromkeys(left))}"]


@lru_cache
def documentation() -> str:
    """Address of the project's documentation, as the installed package names it; the empty string where it names none."""
    urls = dict(url.split(", ", 1) for url in metadata("nnreport").get_all("Project-URL") or [])
    return next((urls[name].rstrip("/") for name in ("Documentation", "Repository", "Homepage") if name in urls), "")


def help_uri(slug: str) -> str:
    """Address of a check's page."""
    home = documentation()
    if not home:
        return ""
    return f"{home}/blob/HEAD/docs/checks.md#{slug}" if home.count("/") == 4 else f"{home}#{slug}"


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
        **({"helpUri": address} if check and (address := help_uri(slug)) else {}),
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


def result(finding: Finding, where: Location, index: int, facts: Facts, place: Place, seen: Counter[str]) -> dict[str, Any]:
    """One finding at its line; ``seen`` counts fingerprints, so that two findings on equal lines stay two alerts."""
    text = finding.message + (f"\nFix: {finding.fix}" if finding.fix else "")
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(place.path(where.path, facts.target.spec)), "uriBaseId": ROOT},
            "region": region(where, facts),
        }
    }
    if finding.module is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.module or "model", "kind": "member"}]
    fingerprint = finding.fingerprint or f"{finding.check}:{finding.module or ''}"
    seen[fingerprint] += 1
    properties: dict[str, Any] = {"evidence": finding.evidence}
    if finding.module is not None:
        properties["module"] = finding.module or "(the model itself)"
    return {
        "ruleId": finding.check,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text or finding.check},
        "locations": [location],
        # Of the check, the module and the line's text, never of its number: an alert stays itself when lines move.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{fingerprint}:{seen[fingerprint]}",
            "nnreport/v1": f"{fingerprint}:{seen[fingerprint]}",
        },
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
    """Did everything run? Stages that failed, and findings without a file, are told as notifications of the tool."""
    failed = report.failed_stages
    texts = [f"stage {stage.name} {stage.state}: {stage.error}".rstrip(": ") for stage in failed]
    told = [{"level": "warning", "message": {"text": text}} for text in texts]
    for finding in unplaced(report):
        module = f" in {finding.module}" if finding.module else ""
        told.append({"level": finding.severity, "message": {"text": f"{finding.check}{module}: {finding.message}"}})
    return {"executionSuccessful": not failed, **({"toolExecutionNotifications": told} if told else {})}


def uri(path: str) -> str:
    """A relative path as a URI reference."""
    return quote(path.replace("\\", "/").removeprefix("./"), errors="replace")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."
