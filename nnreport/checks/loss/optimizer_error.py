"""optimizer-error: the optimizer raises

## Looks for
An exception in the optimizer that `--optimizer` names: when it is made, or in its step.

## Why it matters
Training stops before its first update.

## How to mend it
Make it by itself, outside training, from `model.parameters()`: the quoted line raises the same.

## Quiet when
The optimizer can be made and makes a step.

## Known limits
An optimizer that fails only after many steps is not seen.

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
    failures = of_phase(facts, "optimizer")
    if not failures:
        raise NotApplicable("the optimizer raised nothing")
    yield finding(
        "optimizer-error",
        SEVERITY,
        failures[0],
        "the optimizer",
        "No parameter could be updated with it.",
        "Mend the quoted line.",
    )
