"""data-error: the data raises

## Looks for
An exception in what `--data` names (or in `example_inputs()`), while its first batches were read.

## Why it matters
No training step can be made on it, and everything that depends on real data was left out of the report.

## How to mend it
Iterate over the data by itself, outside training: `next(iter(loader))` on the quoted line raises the same.

## Quiet when
The data gives at least its first batch.

## Known limits
Only the first few batches are read: a bad sample later on is not seen.

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
    failures = of_phase(facts, "data")
    if not failures:
        raise NotApplicable("the data raised nothing")
    yield finding(
        "data-error",
        SEVERITY,
        failures[0],
        "the data",
        "No batch could be read, so nothing was trained on it.",
        "Mend the quoted line; next(iter(data)) outside training shows the same.",
    )
