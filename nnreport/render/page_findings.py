"""The findings and the checks, as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from nnreport.checks.registry import GROUPS, find
from nnreport.facts import Graph, Location, Node, SourceFile
from nnreport.finding import SEVERITIES, Finding, Severity
from nnreport.render import format
from nnreport.render.diagram import Diagram, Place
from nnreport.report import Report

ICONS = {"error": "✕", "warning": "▲", "note": "i", "ok": "✓"}
STATES = {
    "passed": "Passed",
    "found": "Found something",
    "not-applicable": "Not applicable",
    "ignored": "Left out",
    "failed": "Broke",
}
CHARTS = {
    "vanishing-gradient": "c-depth",
    "exploding-gradient": "c-depth",
    "no-gradient": "c-depth",
    "update-too-large": "map-update",
    "update-too-small": "map-update",
    "dead-relu": "c-dead",
    "saturated-activation": "map-rails",
    "collapsed-features": "map-spread",
    "vanishing-signal": "map-spread",
    "logit-collapse": "map-spread",
    "activation-explosion": "map-std",
    "constant-init": "c-weights",
    "large-init": "c-weights",
    "small-init": "c-weights",
    "dead-filters": "c-weights",
    "low-rank-weights": "c-weights",
    "weight-outliers": "c-weights",
    "initial-loss": "c-loss",
    "cannot-overfit": "c-loss",
    "loss-diverges": "c-loss",
    "loss-floor": "c-loss",
    "loss-oscillates": "c-loss",
    "overfitting": "c-loss",
    "underfitting": "c-loss",
    "softmax-with-cross-entropy": "c-loss",
    "probabilities-with-nll": "c-loss",
    "single-logit-cross-entropy": "c-loss",
    "learning-rate-high": "c-rates",
    "learning-rate-low": "c-rates",
    "hot-layer": "c-modules",
    "many-small-calls": "c-modules",
}
"""Check -> anchor of the chart that shows what it found."""
MODULES = 40
"""Modules named in one card."""


def anchors(findings: list[Finding]) -> list[str]:
    """``finding-<slug>-<n>``: n counts the findings of one check."""
    seen: dict[str, int] = {}
    made = []
    for finding in findings:
        seen[finding.check] = seen.get(finding.check, 0) + 1
        slug = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in finding.check)
        made.append(f"finding-{slug}-{seen[finding.check]}")
    return made


def cards(report: Report, drawn: Diagram, rows: dict[str, int], charts: Collection[str] = ()) -> list[dict[str, Any]]:
    """One card a finding.

    Args:
        report: whose findings.
        drawn: where modules and nodes stand in the diagram.
        rows: module path -> number of its row in the table of layers.
        charts: anchors of the charts that are on the page.
    """
    told: set[str] = set()
    made = []
    for index, (finding, anchor) in enumerate(zip(report.findings, anchors(report.findings), strict=True)):
        check = find(finding.check)
        others = [path for path in finding.modules if path != finding.module]
        made.append(
            {
                "index": index,
                "anchor": anchor,
                "state": report.comparison.state_of(index) if report.comparison else "",
                "check": finding.check,
                "title": check.title if check else "",
                "severity": finding.severity,
                "icon": ICONS[finding.severity],
                "message": finding.message,
                "module": None if finding.module is None else format.module(finding.module),
                "row": None if finding.module is None else rows.get(finding.module),
                "place": place_of(finding, drawn),
                "chart": chart if (chart := CHARTS.get(finding.check, "")) in charts else "",
                "location": format.place(finding.location),
                "source": quote(finding.location, report.facts.source),
                "evidence": format.measured(finding.evidence),
                "why": finding.why,
                "fix": finding.fix,
                "code": finding.code.strip("\n"),
                "consequences": finding.consequences,
                "others": [(path, rows.get(path)) for path in others[:MODULES]],
                "more": max(0, len(others) - MODULES),
                "page": check.page if check and check.slug not in told else "",
            }
        )
        told.add(finding.check)
    return made


def place_of(finding: Finding, drawn: Diagram) -> Place | None:
    """Where the diagram shows it: the operation, else the module."""
    if finding.node is not None and finding.node in drawn.nodes:
        return drawn.nodes[finding.node]
    paths = [*([finding.module] if finding.module else []), *finding.modules]
    return next((drawn.places[path] for path in paths if path in drawn.places), None)


def located(findings: list[Finding], graph: Graph | None) -> list[Finding]:
    """The findings, those about a line of a container's own forward with the operation that ran there: of several in one line
    the one that the message names."""
    if graph is None:
        return findings
    ran: dict[tuple[str, str, int], list[Node]] = {}
    for node in graph.nodes:
        if node.kind == "op" and node.location:
            ran.setdefault((node.module, node.location.path, node.location.line), []).append(node)
    made = []
    for finding in findings:
        where = finding.location
        if finding.node is None and not finding.module and not any(finding.modules) and where is not None:
            found = ran.get((finding.module or "", where.path, where.line), [])
            said = set(re.findall(r"\w+", finding.message))
            found = [node for node in found if node.name in said] or found
            finding = msgspec.structs.replace(finding, node=found[0].id) if found else finding
        made.append(finding)
    return made


def quote(where: Location | None, source: list[SourceFile]) -> list[tuple[int, str, bool]]:
    """(number, line, is it the one) of the source line with its neighbours, where the text is known."""
    if where is None:
        return []
    text = next((file.text for file in source if file.path == where.path and file.text), "")
    lines = text.split("\n")
    if not 0 < where.line <= len(lines) or not lines[where.line - 1].strip():
        return [(where.line, where.text, True)] if where.text else []
    first, last = max(1, where.line - 2), min(len(lines), where.line + 2)
    some = [(number, lines[number - 1].rstrip(), number == where.line) for number in range(first, last + 1)]
    while some and not some[-1][1].strip():
        some.pop()
    margin = min((len(line) - len(line.lstrip()) for _, line, _ in some if line.strip()), default=0)
    return [(number, line[margin:][:200], here) for number, line, here in some]


def checks(report: Report) -> list[dict[str, Any]]:
    """Every check by what became of it: state, how many, and the list."""
    found: dict[str, str] = {}
    for finding, anchor in zip(report.findings, anchors(report.findings), strict=True):
        found.setdefault(finding.check, anchor)
    for finding, anchor in zip(report.findings, anchors(report.findings), strict=True):  # what only follows stands on its cause
        for each in finding.consequences:
            found.setdefault(each.partition(":")[0], anchor)
    groups = []
    for state in ("found", "passed", "not-applicable", "ignored", "failed"):
        some = [outcome for outcome in report.outcomes if outcome.state == state]
        items = []
        for outcome in some:
            check = find(outcome.check)
            group = GROUPS.get(check.group, check.group) if check else ""
            items.append(
                {
                    "slug": outcome.check,
                    "title": check.title if check else "",
                    "group": group,
                    "reason": outcome.reason,
                    "anchor": found.get(outcome.check, ""),
                }
            )
        if items:
            groups.append({"state": state, "name": STATES[state], "checks": items})
    return groups


def worst_first(report: Report) -> Severity | None:
    """The severity that colours the verdict."""
    return next((severity for severity in SEVERITIES if report.count(severity)), None)
