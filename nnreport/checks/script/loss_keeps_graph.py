"""loss-keeps-graph: losses of past steps keep their graphs in memory

## Looks for
Losses of the last steps, but for the two latest, whose autograd graph is still in memory: sixteen in a row, or all
that were looked at (at least eight).

## Why it matters
Each step then leaves its graph behind, with whatever it holds: memory grows until the process is out of it.

## How to mend it
Add up numbers, not tensors: `total += loss.item()` (or `loss.detach()`), and likewise for lists of losses and
outputs.

## Quiet when
The last few are kept (a bounded list); the graphs go when they should.

## Known limits
What a graph holds after its backward pass is little, where nothing asked to retain it: the memory grows slowly then.

## Sources
PyTorch FAQ, "My model reports cuda runtime error(2): out of memory": "Don't accumulate history across your training loop".
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST = 8
"""Graphs looked at."""
MANY = 16
"""Alive in a row, where not all are."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    if run is None or run.graphs_looked < LEAST:
        raise NotApplicable("too few steps to tell")
    alive, looked = run.graphs_alive, run.graphs_looked
    if alive < min(looked, MANY):
        return
    yield Finding(
        check="loss-keeps-graph",
        severity="warning",
        location=run.graphs_location,
        message=(
            f"The autograd graphs of {alive} of the {looked} losses before the last two are still in memory; the limit is "
            f"{min(looked, MANY)}."
        ),
        evidence={"alive": alive, "looked": looked, "limit": min(looked, MANY)},
        why="Something keeps the loss (or an output) of every step with its graph: memory grows from step to step.",
        fix="Keep numbers, not tensors: add up loss.item(), and put loss.detach() in lists.",
        code="running_loss += loss.item()",
    )
