"""Asks one check about the facts there are so far: for ``--break-on finding:SLUG``."""

from __future__ import annotations

from nnreport.checks.registry import find
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable


def judge(slug: str, facts: Facts) -> tuple[Finding | None, str]:
    """(the check's first finding or None, why it could not be asked or ``""``)."""
    check = find(slug)
    if check is None:
        return None, f"there is no check {slug}"
    missing = [need for need in check.needs if not getattr(facts, need)]
    if missing:
        return None, f"no {' and no '.join(missing)}"
    try:
        return next(iter(check.function(facts)), None), ""
    except NotApplicable as reason:
        return None, str(reason)
