"""missing-zero-grad: gradients pile up from step to step

## Looks for
Steps of an optimizer before which its gradients had not been cleared since its step before, though a backward pass had
added to them: more than half of those looked at, of at least three. A few parameters of each optimizer are followed
from step to step, element by element.

## Why it matters
Each step is then made with the sum of all gradients so far, not with that of its batch. The loss may fall all the
same (Adam divides the growing scale out), which is why nobody notices.

## How to mend it
Call `optimizer.zero_grad()` once per step, before the backward pass (or right after the step).

## Quiet when
Gradients are gathered on purpose over several backward passes and cleared after the step; they are cleared in any
way (`zero_grad` of the model, `p.grad = None`, in place); the script changes them by hand between two steps.

## Known limits
A gradient that is scaled down instead of cleared (a hand-made momentum) counts as changed by hand.

## Sources
PyTorch documentation, Zeroing out gradients in PyTorch. Measured: Adam without zero_grad reached 98 % accuracy on
easy data, so the loss curve does not show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import models_of, optimizer_name, root_of, times
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)

LEAST = 3
"""Steps looked at."""
MOST = 0.5
"""Share of them."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for optimizer in run.optimizers if run else ():
        if run is None or optimizer.looked < LEAST or optimizer.piled <= MOST * optimizer.looked:
            continue
        name = optimizer.variable or "optimizer"
        whose = models_of(run, optimizer)
        yield Finding(
            check="missing-zero-grad",
            severity="error",
            module=root_of(run, optimizer),
            location=optimizer.step_location or optimizer.location,
            message=(
                f"{optimizer_name(optimizer)} steps on gradients that were not cleared since its step before, at "
                f"{optimizer.piled} of {times(optimizer.looked, 'step')} looked at{f' (of {whose})' if whose else ''}; the limit "
                f"is half."
            ),
            evidence={"piled": optimizer.piled, "looked": optimizer.looked, "limit": MOST, "backward_passes": optimizer.passes},
            why="Each step is made with the sum of the gradients of all batches so far: it follows old data, and grows.",
            fix=f"Call {name}.zero_grad() once per step, before backward().",
            code=f"{name}.zero_grad()\nloss.backward()\n{name}.step()",
        )
