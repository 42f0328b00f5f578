"""many-small-calls: a layer in a long loop

## Looks for
A module with weights that is called over 50 times in one forward.

## Why it matters
Each call costs some ten microseconds of Python and of launching kernels, whatever the layer's size. Fifty small products take
the time of one large one fifty times over.

## How to mend it
Put the loop into a batch: stack the pieces along an axis and call the layer once; ``nn.LSTM`` for a loop over
``nn.LSTMCell``.

## Quiet when
* the module is a recurrent cell, or has no weights;
* its parent is called as often: the parent is named instead.

## Known limits
Recurrences that cannot be run in parallel (an autoregressive decoder in training) are reported.

## Sources
torch.profiler pattern “for-loop indexing” (10 repeats); 50 is the catalogue's limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("tree", "graph")
CALLS = 50
"""In one forward."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per loop."""
    assert facts.tree is not None
    assert facts.graph is not None
    named = lookup(facts)
    for module in facts.tree.modules:
        if module.calls <= CALLS or not module.path or module.total == 0 or module.kind.endswith("Cell"):
            continue
        parent = named.module(module.parent or "")
        above = [named.modules[path] for path in named.ancestors(module.path) if path in named.modules]
        if any(each.calls > CALLS for each in above) or (parent is not None and "Cell" in parent.name):
            continue
        flops = sum(call.flops for call in named.calls_of.get(module.path, ()))
        yield Finding(
            check="many-small-calls",
            severity=SEVERITY,
            message=f"{named.label(module.path)} is called {module.calls} times in one forward (limit {CALLS})",
            module=module.path,
            location=named.call_line(module.path),
            evidence={"calls": module.calls, "limit": CALLS, "flops_per_call": flops // module.calls if flops else None},
            why="Every call costs Python and a launch, whatever its size; together they cost more than the arithmetic.",
            fix="Stack the pieces along an axis and call it once.",
        )
