"""scheduler-order: the scheduler steps before the optimizer

## Looks for
A scheduler whose first step comes before the first of its optimizer.

## Why it matters
The first rate of the schedule is skipped, and every later one comes a step (or an epoch) too early: with a warm-up
or a decay per epoch that is the whole first epoch.

## How to mend it
`optimizer.step()` first, then `scheduler.step()`.

## Quiet when
The scheduler is wound forward several steps, to where an earlier run ended; it follows a measured value
(`ReduceLROnPlateau`); the optimizer never steps (that is another fault); the GradScaler left out the first steps.

## Known limits
Only the first step is looked at.

## Sources
PyTorch documentation, torch.optim, "How to adjust learning rate": since 1.1.0 the scheduler is called after the
optimizer's update.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

FOLLOWING = frozenset({"ReduceLROnPlateau"})
"""Their rate depends on what they are told, not on how often."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for scheduler in run.schedulers if run else ():
        if run is None or not scheduler.early or scheduler.name in FOLLOWING or scheduler.optimizer >= len(run.optimizers):
            continue
        optimizer = run.optimizers[scheduler.optimizer]
        if not optimizer.steps:
            continue
        name = optimizer.variable or "optimizer"
        yield Finding(
            check="scheduler-order",
            severity="warning",
            location=scheduler.location,
            message=f"{scheduler.name} is stepped before the first step of {name} ({optimizer.name}).",
            evidence={"scheduler_steps_before": scheduler.before, "scheduler_steps": scheduler.steps},
            why="The first rate of the schedule is never used, and all others come too early.",
            fix=f"Call scheduler.step() after {name}.step().",
            code=f"{name}.step()\nscheduler.step()",
        )
