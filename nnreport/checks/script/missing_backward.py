"""missing-backward: the optimizer steps without a new gradient

## Looks for
Steps of an optimizer since whose predecessor nothing has given its parameters a gradient, neither a backward pass nor
the script by hand: more than nine tenths of those looked at, of at least three.

## Why it matters
Without a gradient a step changes nothing; with an old one that was not cleared it repeats itself, and an optimizer
with momentum drifts on.

## How to mend it
Call `loss.backward()` between `zero_grad()` and `step()`. If it is called, look at what stands between the two: a
`zero_grad()` after the backward pass, a `detach()` or `no_grad()` around the forward pass, a model that was made anew
after its optimizer (`stale-optimizer`), parameters that this loss does not read.

## Quiet when
The optimizer is stepped with a closure that calls backward; its parameters are frozen; none of its steps had a gradient
and its parameters moved all the same (the script changes them by itself).

## Known limits
An optimizer that is stepped in every iteration, and whose loss comes rarer than in every tenth, is reported.

## Sources
PyTorch documentation, torch.optim: "the function can be called once the gradients are computed using e.g. backward()".
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import models_of, optimizer_name, root_of, times
from nnreport.facts import Facts, OptimizerRun
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)

LEAST = 3
"""Steps looked at."""
MOST = 0.9
"""Share of them."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for optimizer in run.optimizers if run else ():
        if run is None or optimizer.looked < LEAST or optimizer.stale_gradients <= MOST * optimizer.looked or optimizer.closure:
            continue
        if (not optimizer.backwards and optimizer.moved) or (optimizer.frozen and optimizer.frozen == optimizer.tensors):
            continue
        name = optimizer.variable or "optimizer"
        whose = models_of(run, optimizer)
        yield Finding(
            check="missing-backward",
            severity="error",
            module=root_of(run, optimizer),
            location=optimizer.step_location or optimizer.location,
            message=(
                f"{optimizer_name(optimizer)} steps without a new gradient{f' for {whose}' if whose else ''} at "
                f"{optimizer.stale_gradients} of {times(optimizer.looked, 'step')} looked at; the limit is {MOST:.0%}. "
                f"{_backwards(optimizer)}"
            ),
            evidence={
                "without_gradient": optimizer.stale_gradients,
                "no_gradient_at_all": optimizer.empty,
                "looked": optimizer.looked,
                "limit": MOST,
                "backward_passes": optimizer.backwards,
                "all_backward_passes": run.backwards,
                "moved": optimizer.moved,
            },
            why="Such a step changes nothing."
            if optimizer.empty
            else "Such a step repeats the one before it, or applies momentum alone.",
            fix="Call loss.backward() after zero_grad() and before step()."
            if not run.backwards
            else "Look at what keeps the backward pass from these parameters: a detach, no_grad, a zero_grad() that comes "
            "after it, or another model than the optimizer was made for.",
            code=f"{name}.zero_grad()\nloss.backward()\n{name}.step()",
        )


def _backwards(optimizer: OptimizerRun) -> str:
    """How often its parameters were reached in all."""
    if not optimizer.backwards:
        return "No backward pass ever reached its parameters."
    return f"{times(optimizer.backwards, 'backward pass').replace('passs', 'passes')} reached its parameters in all."
