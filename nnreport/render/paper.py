"""What stands in the PDF, as plain values for the template: a document of its own, not a print of the page."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from nnreport.checks.registry import find
from nnreport.finding import Finding
from nnreport.render import format
from nnreport.render.diff_paper import section
from nnreport.render.paper_figures import Figure, architecture, training, weights
from nnreport.render.paper_figures import profile as profile_figures
from nnreport.render.paper_pictures import pictures
from nnreport.render.paper_tables import (
    Table,
    check_rows,
    environment_rows,
    layer_lines,
    layer_table,
    memory_table,
    method_rows,
    operator_table,
    parameter_lines,
    run_tables,
    stage_rows,
    training_rows,
)
from nnreport.render.plain import visible
from nnreport.render.view import key_numbers, verdict
from nnreport.report import Report

FIRST = 5
"""Findings named on the first page."""
MODULES = 24
"""Modules named in one finding."""


def content(report: Report) -> dict[str, Any]:
    """The variables of ``templates/paper.html.j2``."""
    facts = report.facts
    diagrams, missing = architecture(report)
    figures: dict[str, list[Figure]] = {
        "architecture": diagrams,
        "training": training(facts),
        "weights": weights(facts),
        "profile": profile_figures(facts),
    }
    tables: dict[str, Table | None] = {
        "layers": layer_table(facts),
        "operators": operator_table(facts),
        "memory": memory_table(facts),
    }
    appendices = {"layers": layer_lines(facts), "parameters": parameter_lines(facts)}
    return {
        "title": report.title or f"{report.model.name or 'Model'}: report",
        "name": report.model.name or report.model.target or "model",
        "cover": bool(report.title or report.author or report.course),
        "report": report,
        "model": report.model,
        "date": date(report),
        "created": facts.environment.time,
        "verdict": verdict(report),
        "worst": report.worst or "ok",
        "numbers": key_numbers(report),
        "first": report.findings[:FIRST],
        "findings": [finding_values(finding, i, state_of(report, i)) for i, finding in enumerate(report.findings)],
        "changes": section(report.comparison) if report.comparison else None,
        "figures": figures,
        "missing": missing,
        "pictures": pictures(facts),
        "tables": tables,
        "training": training_rows(facts),
        "run_tables": run_tables(facts),
        "stages": stage_rows(report),
        "failed": report.failed_stages,
        "notes": facts.notes,
        "checks": check_rows(report),
        "environment": environment_rows(facts),
        "methods": method_rows(facts),
        "appendices": appendices,
        "format": format,
    }


def state_of(report: Report, index: int) -> str:
    """What became of a finding since the baseline."""
    return report.comparison.state_of(index) if report.comparison else ""


def finding_values(finding: Finding, index: int, state: str = "") -> dict[str, Any]:
    """One finding, its lists cut to what paper can bear."""
    check = find(finding.check)
    return {
        "id": f"finding-{index + 1}",
        "finding": finding,
        "state": state,
        "title": check.title if check else finding.check.replace("-", " "),
        "where": visible(format.module(finding.module)),
        "place": format.place(finding.location),
        "quote": finding.location.text if finding.location else "",
        "evidence": format.measured(finding.evidence),
        "modules": [format.module(path) for path in finding.modules[:MODULES]] if len(finding.modules) > 1 else [],
        "more": max(0, len(finding.modules) - MODULES),
        "code": [({"+": "add", "-": "del"}.get(line[:1], ""), line or " ") for line in finding.code.strip("\n").splitlines()],
    }


def date(report: Report) -> str:
    """``2 January 2025``, from the environment's time."""
    moment = moment_of(report)
    return f"{moment.day} {moment:%B %Y}" if moment else ""


def moment_of(report: Report) -> datetime | None:
    """When the report was made, in UTC; None if unknown."""
    try:
        moment = datetime.fromisoformat(report.facts.environment.time.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
