"""Runs the checks over the facts: selection, suppression, order, and what became of each."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Sequence

import msgspec

from nnreport.checks.causes import fold_consequences
from nnreport.checks.registry import Check, all_checks
from nnreport.facts import Facts
from nnreport.finding import SEVERITIES, Finding, NotApplicable, Outcome

SUPPRESSION = re.compile(r"#\s*nnreport:\s*ignore(?:\[([^\]]*)\])?")
"""``# nnreport: ignore[slug, slug]`` on the line of a finding, or ``# nnreport: ignore`` for all."""


def run_checks(
    facts: Facts,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    checks: Sequence[Check] | None = None,
) -> tuple[list[Finding], list[Outcome]]:
    """All findings, worst first, and one outcome per check.

    Args:
        facts: what was gathered; parts that are None make the checks that need them not applicable.
        select: slugs or groups to run; empty means all.
        ignore: slugs or groups to leave out.
        checks: the checks to run instead of all that exist.
    """
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    lines = {file.path: file.text.splitlines() for file in facts.source}
    for check in all_checks() if checks is None else checks:
        if (select and not {check.slug, check.group} & set(select)) or {check.slug, check.group} & set(ignore):
            outcomes.append(Outcome(check=check.slug, state="ignored", reason="left out by --select or --ignore"))
            continue
        missing = [need for need in check.needs if not getattr(facts, need)]
        if missing:
            outcomes.append(Outcome(check=check.slug, state="not-applicable", reason=f"no {' and no '.join(missing)}"))
            continue
        start = time.perf_counter()
        try:
            found = [finding for finding in check.function(facts) if not suppressed(finding, lines)]
            outcome = Outcome(check=check.slug, state="found" if found else "passed")
            findings += found
        except NotApplicable as reason:
            outcome = Outcome(check=check.slug, state="not-applicable", reason=str(reason))
        except Exception as error:  # a fault of one check must not cost the others; the report says so
            outcome = Outcome(check=check.slug, state="failed", reason=f"{type(error).__name__}: {error}")
        outcome.seconds = time.perf_counter() - start
        outcomes.append(outcome)
    findings = fold_consequences(findings, facts)
    for finding in findings:
        finding.fingerprint = finding.fingerprint or fingerprint(finding)
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)), outcomes


def suppressed(finding: Finding, lines: dict[str, list[str]]) -> bool:
    """Does the source line of the finding ask for silence?"""
    where = finding.location
    if where is None:
        return False
    text = where.text
    if where.path in lines and 0 < where.line <= len(lines[where.path]):
        text = lines[where.path][where.line - 1]
    match = SUPPRESSION.search(text)
    if not match:
        return False
    return match[1] is None or finding.check in {slug.strip() for slug in match[1].split(",")}


def fingerprint(finding: Finding) -> str:
    """Stable between runs: the same fault at the same place, whatever its line number."""
    place = f"{finding.location.path}:{finding.location.text}" if finding.location else ""
    return hashlib.sha256(f"{finding.check}\0{finding.module}\0{place}".encode()).hexdigest()[:16]


def copy_without_source(facts: Facts) -> Facts:
    """The facts as they are saved: the user's source text stays at home."""
    source = [msgspec.structs.replace(file, text="") for file in facts.source]
    return msgspec.structs.replace(facts, source=source)
