"""redundant-activation: an activation of an activation

## Looks for
Two activations in a row of which the second adds nothing or spoils the first: relu of relu, sigmoid or softmax of softmax,
sigmoid of relu, a relu right before the softmax that is the model's output.

## Why it matters
``relu(relu(x))`` is a waste and hints at a layer that is missing. ``softmax(softmax(x))`` flattens the distribution until
hardly anything is left of it: with 10 classes no probability can pass 0.23. ``sigmoid(relu(x))`` cannot fall below one half,
``softmax(relu(x))`` forgets which logits were negative.

## How to mend it
Drop one of the two.

## Quiet when
* anything with weights, a norm, a sum or a product stands between (squeeze-and-excite gates, GLU);
* relu before a softmax inside the net: adaptive adjacency matrices do so on purpose;
* the two are on different branches.

## Known limits
A scaled second activation (``softmax(10 * softmax(x))``) is not seen.

## Sources
NeuraLint (redundant connected activations), neurarch-lint (relu-then-softmax), Stack Overflow 44758894.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import CAST, DROPOUT, LAYOUT, walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph",)
BETWEEN = LAYOUT | CAST | DROPOUT
NOTHING = "the second changes nothing"
FAULTS: dict[tuple[str, str], str] = {
    **{(first, "relu"): NOTHING for first in ("relu", "relu6", "sigmoid", "softmax", "softplus", "hardsigmoid")},
    ("relu6", "relu6"): NOTHING,
    ("softmax", "softmax"): "the second flattens the distribution of the first",
    ("softmax", "log_softmax"): "the second flattens the distribution of the first",
    ("log_softmax", "log_softmax"): NOTHING,
    ("log_softmax", "softmax"): "it undoes the logarithm: softmax alone is the same",
    ("softmax", "sigmoid"): "probabilities become values between 0.5 and 0.73",
    ("sigmoid", "softmax"): "the sigmoid leaves softmax a range of 1: no class can come near certainty",
    ("sigmoid", "log_softmax"): "the sigmoid leaves softmax a range of 1: no class can come near certainty",
    ("sigmoid", "sigmoid"): "the second lies between 0.5 and 0.73",
    ("tanh", "tanh"): "the second only shrinks the first",
    ("relu", "sigmoid"): "the sigmoid of what is never negative cannot fall below 0.5",
    ("relu6", "sigmoid"): "the sigmoid of what is never negative cannot fall below 0.5",
}
"""(first, second) -> what is wrong with it."""
AT_THE_OUTPUT = {
    ("relu", "softmax"): "all negative logits become equal",
    ("relu", "log_softmax"): "all negative logits become equal",
}
"""The same, where the second is the model's output."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per pair of operations; the same pair in other places together."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    seconds = {second for _, second in (*FAULTS, *AT_THE_OUTPUT)}
    for node in graph.operations(seconds):
        before = graph.source(node, 0, BETWEEN)
        if before is None or before.kind != "op" or len(node.inputs) != 1:
            continue
        pair = (graph.name(before), graph.name(node))
        final = all(user.kind == "output" for user in graph.users(node)) and bool(graph.users(node))
        if pair in FAULTS or (final and pair in AT_THE_OUTPUT):
            found.setdefault(pair, []).append((before.id, node.id))
    for (first, second), places in found.items():
        before, node = graph.nodes[places[0][0]], graph.nodes[places[0][1]]
        owner = node.module.rpartition(".")[0]
        paths = list(dict.fromkeys(graph.nodes[i].module for _, i in places))
        reason = FAULTS.get((first, second)) or AT_THE_OUTPUT[first, second]
        yield Finding(
            check="redundant-activation",
            severity="note" if named.settled(owner) or named.settled(node.module) else SEVERITY,
            message=f"{second} is applied to the output of {first}"
            + (f" ({named.label(before.module)} → {named.label(node.module)})" if before.module != node.module else "")
            + f": {reason}"
            + (f"; {len(places)} places" if len(places) > 1 else ""),
            module=node.module,
            modules=paths,
            location=named.node_line(node),
            evidence={"first": first, "second": second, "places": len(places)},
            why="One of the two does nothing useful, and the reader of the code believes that it does.",
            fix=f"Drop the {first if reason != NOTHING else second}.",
            node=node.id,
        )
