"""backward-error: the backward pass raises

## Looks for
An exception in ``backward()``: a tensor that autograd had saved was changed in place, no path leads from the loss to a
parameter, an operation has no derivative.

## Why it matters
The forward works and the model cannot be trained at all.

## How to mend it
For an in-place change: write ``x = x + y`` for ``x += y``, ``F.relu(x)`` for ``F.relu(x, inplace=True)`` at the quoted line.
For “does not require grad”: look for what cuts the path (``detach``, ``argmax``, ``no_grad``, NumPy).

## Quiet when
* no parameter of the model is trainable: there is nothing to learn;
* the batch norm's refusal of a batch of one.

## Known limits
With an inferred loss, “does not require grad” may only mean that the tensor which the probe chose is not the one that is
trained; then it is a warning.

## Sources
PyTorch autograd mechanics (in-place correctness checks); CodeGuru rule on in-place assignment.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import BATCH_OF_ONE, finding, of_phase
from nnreport.checks.lookup import lookup
from nnreport.checks.voice import own_loss
from nnreport.facts import Facts, Failure
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ()
NO_PATH = "does not require grad"
IN_PLACE = "modified by an inplace operation"


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per failure."""
    if facts.tree is not None and facts.tree.trainable == 0:
        return
    named = lookup(facts)
    for failure in of_phase(facts, "backward"):
        if BATCH_OF_ONE in failure.message:
            continue
        quieter = NO_PATH in failure.message and not own_loss(facts)
        place = f" (at {named.label(failure.module)})" if failure.module is not None else ""
        yield finding(
            "backward-error",
            "warning" if quieter else SEVERITY,
            failure,
            f"backward{place}",
            "The forward works and no gradient can be computed: the model cannot be trained.",
            fix=advice(failure),
        )


def advice(failure: Failure) -> str:
    """How the usual two are mended."""
    if IN_PLACE in failure.message:
        return "Do not change that tensor in place: x = x + y for x += y, inplace=False on the activation."
    if NO_PATH in failure.message:
        return "Find what cuts the path from the loss to the parameters (detach, argmax, no_grad, NumPy) and take it out."
    return ""
