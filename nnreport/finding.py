"""What a check found, and what became of a check."""

from __future__ import annotations

from typing import Literal

from nnreport.facts import Location, Number, Record

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first."""


class Finding(Record, omit_defaults=False):
    """One verdict: what was seen, where, why it matters and how to mend it."""

    check: str
    """Slug."""
    severity: Severity
    message: str
    """One sentence with the measurement and the limit, plain text. Names from the user's model go in as they are."""
    module: str | None = None
    """Dotted path; ``""`` is the root module; None when it belongs to no module."""
    location: Location | None = None
    evidence: dict[str, Number | str | bool | None] = {}
    """Numbers with names: ``{"dead_units": 0.93, "limit": 0.6}``."""
    fix: str = ""
    """What to do, in words."""
    code: str = ""
    """The mend as code, where it can be written; may be several lines."""
    why: str = ""
    """Why it matters for this net, one or two sentences."""
    modules: list[str] = []
    """All modules concerned, where several share one cause (``module`` is the first or worst)."""
    node: int | None = None
    """Graph node id, where it is an operation."""
    consequences: list[str] = []
    """Findings that follow from this one and are not listed by themselves, one line each."""
    fingerprint: str = ""
    """Stable between runs and under moved lines: check, module and location path; filled by the runner."""


class Outcome(Record, omit_defaults=False):
    """What became of one check."""

    check: str
    state: Literal["passed", "found", "not-applicable", "ignored", "failed"]
    reason: str = ""
    """not-applicable: what was missing; failed: the check's own fault."""
    seconds: float = 0.0


class NotApplicable(Exception):
    """A check raises it with a reason when its question does not arise (the runner turns it into an :class:`Outcome`)."""


__all__ = ["SEVERITIES", "Finding", "NotApplicable", "Outcome", "Severity"]
