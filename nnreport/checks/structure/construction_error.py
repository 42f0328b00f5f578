"""construction-error: the model's own constructor raises

## Looks for
An exception out of the user's constructor (or factory function) when the target was built.

## Why it matters
There is no model to look at. The source is still read, and often names the cause: a missing ``super().__init__()``, an
argument of the wrong name.

## How to mend it
Mend the line that is quoted. What was wrong with the arguments of TARGET itself is wrong usage and is said as such, not here.

## Quiet when
Never: the constructor either works or it does not.

## Known limits
A constructor that needs a file, a network or an environment variable which is not here is reported as broken.

## Sources
The exception is the measurement.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import finding, of_phase
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ()


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per failure."""
    for failure in of_phase(facts, "construct"):
        yield finding(
            "construction-error", SEVERITY, failure, "the constructor", "There is no model: nothing but its source could be read."
        )
