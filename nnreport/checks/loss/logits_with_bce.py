"""logits-with-bce: binary cross-entropy on unbounded numbers

## Looks for
`binary_cross_entropy`, which takes probabilities, on an output that is none: it raised for that reason, or the output
leaves 0 to 1, or nothing bounds it.

## Why it matters
The loss raises as soon as one output is below 0 or above 1; clamped away, the gradient is wrong or zero.

## How to mend it
Use `binary_cross_entropy_with_logits` (stable in float32 and the only one that autocast allows), and apply sigmoid
only where probabilities are wanted.

## Quiet when
A sigmoid or softmax made the output, or all of it lies between 0 and 1.

## Known limits
An output that lies in 0 to 1 on the probe's batch by chance is not seen.

## Sources
PyTorch documentation of BCELoss and BCEWithLogitsLoss; neurarch-lint; CodeGuru.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import BOUNDED, NOT_PROBABILITIES, kind, loss_failure
from nnreport.checks.series import capital, figure
from nnreport.checks.voice import loss_phrase, loss_severity
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or kind(facts) != "bce" or probe.loss is None:
        raise NotApplicable("the loss is no binary_cross_entropy")
    output, failure = probe.output, loss_failure(facts, *NOT_PROBABILITIES)
    held = output.range if output else None
    outside = held is not None and (held.minimum < 0 or held.maximum > 1)
    if not outside and failure is None:
        return
    if output is not None and output.activation in BOUNDED and not outside:
        return  # it was the target that was no probability
    evidence: dict = {"limit_low": 0.0, "limit_high": 1.0, "activation": output.activation if output else ""}
    seen = ""
    if held is not None:
        evidence |= {"minimum": held.minimum, "maximum": held.maximum}
        seen = f", from {figure(held.minimum)} to {figure(held.maximum)}"
    module = output.module if output else ""
    yield Finding(
        check="logits-with-bce",
        severity=loss_severity(facts),
        module=module,
        location=failure.location if failure and failure.location else lookup(facts).call_line(module),
        node=output.node if output else None,
        message=f"{capital(loss_phrase(facts))} takes probabilities, and the output is unbounded{seen}; the limits are 0 and 1.",
        evidence=evidence,
        why="The loss raises on the first output outside 0 to 1." if failure else "Its logarithm is not defined there.",
        fix="Use binary_cross_entropy_with_logits on this output.",
        code="loss = F.binary_cross_entropy_with_logits(output, target)",
    )
