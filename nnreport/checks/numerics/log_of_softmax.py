"""log-of-softmax: log(softmax(x)) in two steps

## Looks for
A logarithm that reads a softmax's output directly.

## Why it matters
Where a probability underflows to 0 the logarithm is −inf and its gradient NaN; `log_softmax` computes the same
without ever leaving the range, and faster.

## How to mend it
`F.log_softmax(x, dim)`; for `log(sigmoid(x))` use `F.logsigmoid(x)`.

## Quiet when
An epsilon or a clamp stands between them (safe, though it biases); the code is an installed package's (then a note).

## Known limits
With logits that stay small the two agree, so the finding may be about a risk that never comes.

## Sources
neurarch-lint. Measured: `log(softmax(x))` gave NaN at step 2 with logits × 50.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure
from nnreport.checks.walk import CAST, LAYOUT, SELECT, walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph",)

LOGS = frozenset({"log", "log2", "log10"})


def check(facts: Facts) -> Iterator[Finding]:
    if facts.graph is None:
        return
    graph, names = walk(facts.graph), lookup(facts)
    for node in graph.operations(LOGS):
        source = graph.source(node, 0, LAYOUT | CAST | SELECT)
        if source is None or source.kind != "op" or graph.name(source) not in ("softmax", "sigmoid"):
            continue
        location = names.node_line(node)
        inner = graph.name(source)
        held = node.input_ranges[0] if node.input_ranges else None
        lowest = f", the smallest was {figure(held.minimum)} on this input" if held is not None else ""
        better = "F.log_softmax(x, dim=-1)" if inner == "softmax" else "F.logsigmoid(x)"
        yield Finding(
            check="log-of-softmax",
            severity="warning" if location is not None and location.user else "note",
            module=node.module,
            location=location,
            node=node.id,
            message=f"{names.label(node.module)} takes {node.name} of a {inner}'s output{lowest}; at 0 it is −inf.",
            evidence={"operation": node.name, "of": inner, "smallest": held.minimum if held else None, "limit": 0.0},
            why="A confident net makes probabilities that underflow to 0, and then the gradient is NaN.",
            fix=f"Use {better.partition('(')[0]} on what the {inner} reads: it never leaves the range.",
            code=better,
        )
