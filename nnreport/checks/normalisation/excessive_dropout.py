"""excessive-dropout: more is dropped than kept

## Looks for
A dropout with p of 0.8 or more, or a dropout on the very output of the last linear layer.

## Why it matters
At p = 0.8 four of five activations are zero and the fifth is five times as large: the gradient is mostly noise. On the
output, a dropped logit or prediction is 0 whatever the network says, so the loss asks for what cannot be given.

## How to mend it
0.1 to 0.5 is usual; put the dropout before the last linear layer, not behind it.

## Quiet when
* the output is no head: blocks and encoders end in dropout after a norm or an activation;
* the dropout is never called.

## Known limits
The dropout of a residual branch that is inspected by itself stands on its output, and is a note.

## Sources
Srivastava et al. 2014 (0.5 for hidden, 0.8 *kept* for inputs); UMLAUT (p > 0.5) and NeuraLint (dropout on logits). The limit
of 0.8 is the catalogue's: AlexNet's 0.5 is healthy.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup
from nnreport.checks.normalisation.dropout_before_batchnorm import rate
from nnreport.checks.voice import stated_loss
from nnreport.checks.walk import AFFINE, CAST, DROPOUT, LAYOUT, Walk, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph",)
MOST = 0.8
"""Rate from which on a dropout is called excessive."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all high rates, one for dropout on the output."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    high = list({node.module: node for node in graph.operations(DROPOUT) if rate(node) >= MOST}.values())
    if high:
        yield too_high(named, high)
    for node in graph.operations(DROPOUT):
        before = graph.source(node, 0, LAYOUT | CAST)
        users = graph.users(node, LAYOUT | CAST)
        final = bool(users) and all(user.kind == "output" for user in users)
        if final and rate(node) > 0 and before is not None and graph.name(before) in AFFINE:
            yield on_output(facts, named, graph, node, before)


def too_high(named: Lookup, high: list[Node]) -> Finding:
    worst = max(high, key=rate)
    everything = rate(worst) >= 1
    severity: Severity = "error" if everything else SEVERITY
    return Finding(
        check="excessive-dropout",
        severity=severity,
        message=f"{named.label(worst.module)} drops {100 * rate(worst):.0f} % of its input (limit {100 * MOST:.0f} %)"
        + (f"; {len(high)} layers do" if len(high) > 1 else ""),
        module=worst.module,
        modules=[node.module for node in high],
        location=named.node_line(worst),
        evidence={"p": rate(worst), "limit": MOST, "layers": len(high)},
        why="Nothing passes in training: no gradient reaches what lies before."
        if everything
        else f"What is kept is scaled by {1 / (1 - rate(worst)):.3g}: the gradient is mostly noise.",
        fix="Use 0.1 to 0.5.",
        code="nn.Dropout(0.3)",
        node=worst.id,
    )


def on_output(facts: Facts, named: Lookup, graph: Walk, node: Node, before: Node) -> Finding:
    return Finding(
        check="excessive-dropout",
        severity=SEVERITY if stated_loss(facts) else "note",
        message=(
            f"{named.label(node.module)} with p = {rate(node):g} acts on the output itself, behind {named.label(before.module)}"
        ),
        module=node.module,
        location=named.node_line(node),
        evidence={"p": rate(node), "on_output": True},
        why="In training a dropped output is 0 whatever the network says, so the loss asks for what cannot be given.",
        fix="Put it before the last layer.",
        node=node.id,
    )
