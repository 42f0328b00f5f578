"""script-error: the script raises

## Looks for
An exception that ended the script, and that came neither from the model's forward or backward pass nor from its loss
or optimizer (those have checks of their own).

## Why it matters
The script did not come to its end.

## How to mend it
Mend the quoted line; the traceback is what Python printed.

## Quiet when
The script ends by itself, leaves with `sys.exit`, or is interrupted from the keyboard.

## Known limits
An exception that the script catches is not seen.

## Sources
The exception itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import finding, of_phase
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("failures",)


def check(facts: Facts) -> Iterator[Finding]:
    failures = of_phase(facts, "script")
    if not failures:
        raise NotApplicable("the script raised nothing")
    steps = facts.run.steps if facts.run else 0
    yield finding(
        "script-error",
        SEVERITY,
        failures[0],
        "the script",
        f"It ended there, after {steps:,} optimizer step{'' if steps == 1 else 's'}."
        if steps
        else "It ended there, before its first optimizer step.",
        "Mend the quoted line.",
    )
