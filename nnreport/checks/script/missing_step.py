"""missing-step: gradients are made, and no step uses them

## Looks for
An optimizer to whose parameters at least three backward passes gave gradients, that was never stepped, and whose
parameters are what they were at first.

## Why it matters
The model is not trained. The loss moves with the batches, and with dropout, so that it may look as if it were.

## How to mend it
Call `optimizer.step()` after `loss.backward()`.

## Quiet when
The script failed, or was ended, before its own end; the watch ended while other optimizers were stepping (this one's
turn may come); the weights move without it (another optimizer, an update by hand).

## Known limits
A script that makes an optimizer and only looks at gradients is reported.

## Sources
PyTorch documentation, Optimizing Model Parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import cut_short, models_of, optimizer_name, root_of
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)

LEAST = 3
"""Backward passes that reached its parameters, in a script that came to its end."""
RUNNING = 200
"""The same in one that still runs: gradients may be gathered over so many batches."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    if run is None or cut_short(facts, run):
        raise NotApplicable("the script did not come to its own end under watch")
    least = LEAST if run.status == 0 else RUNNING
    for optimizer in run.optimizers:
        if optimizer.steps or optimizer.moved is not False or optimizer.backwards < least:
            continue
        name = optimizer.variable or "optimizer"
        whose = models_of(run, optimizer)
        yield Finding(
            check="missing-step",
            severity="error",
            module=root_of(run, optimizer),
            location=optimizer.location,
            message=(
                f"{optimizer_name(optimizer)} is never stepped, though {optimizer.backwards} backward passes gave "
                f"{whose or 'its parameters'} gradients; the limit is {least}."
            ),
            evidence={"steps": 0, "backward_passes": optimizer.backwards, "limit": least, "moved": False},
            why="Its parameters are what they were at first: nothing was learnt.",
            fix=f"Call {name}.step() after backward().",
            code=f"{name}.zero_grad()\nloss.backward()\n{name}.step()",
        )
