"""wrong-softmax-dim: a softmax over the samples

## Looks for
``softmax`` or ``log_softmax`` over the axis that holds the batch, or without ``dim``.

## Why it matters
Over the batch the probabilities of *different samples* sum to 1: a prediction depends on its batch, and a single sample
always gets 1. Without ``dim`` torch guesses by an old rule (axis 0 for one and three axes, axis 1 for others) and warns.

## How to mend it
``softmax(x, dim=-1)``, or the axis that holds the classes.

## Quiet when
* axis 0 is not the batch (time-major sequences, a set of prototypes): the output has no such leading axis, or the trial that
  replaces samples sees no mixing;
* the tensor is square in the batch (similarities of a contrastive loss).

## Known limits
With one sample and no trial, the batch cannot be told from another axis of size 1, and it keeps quiet. An implied axis that
happens to be right is a warning.

## Sources
neurarch-lint (softmax without dim), PyTorch's own warning “Implicit dimension choice for softmax has been deprecated”.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup
from nnreport.checks.structure.width_one_softmax import axis_of
from nnreport.checks.walk import Walk, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("graph",)
IMPLIED_FIRST = (0, 1, 3)
"""Numbers of axes for which torch takes axis 0 when none is named; else it takes axis 1."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per module."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    seen: set[tuple[str, bool]] = set()
    for node in graph.operations({"softmax", "log_softmax", "softmin"}):
        if not node.outputs or not node.outputs[0].shape:
            continue
        implied = "dim" not in node.attributes
        axis = (0 if len(node.outputs[0].shape) in IMPLIED_FIRST else 1) if implied else axis_of(node)
        batch = axis == 0 and over_batch(facts, node)
        if not (batch or implied) or (node.module, batch) in seen:
            continue
        if implied and node.location is not None and not node.location.user:
            continue
        seen.add((node.module, batch))
        yield finding(named, graph, node, axis or 0, batch, implied)


def over_batch(facts: Facts, node: Node) -> bool:
    """Does axis 0 hold the samples?"""
    assert facts.graph is not None
    size, shape = facts.graph.batch, node.outputs[0].shape
    if size is None or shape[0] != size or len(shape) < 2 or (len(shape) == 2 and shape[1] == size):
        return False
    outputs = [each.shape for node in facts.graph.nodes if node.kind == "output" for each in node.reads]
    if not any(shape and shape[0] == size for shape in outputs):
        return False
    mixing = facts.experiments.mixing if facts.experiments else None
    if mixing is not None and not mixing.reason and mixing.samples:
        return mixing.absolute > mixing.tolerance
    if mixing is not None and mixing.reason.startswith(("no batch axis", "axis 1")):
        return False
    return size > 1


def finding(named: Lookup, graph: Walk, node: Node, axis: int, batch: bool, implied: bool) -> Finding:
    name, shape = graph.name(node), node.outputs[0].shape
    how = f"{name} without dim" if implied else f"{name} over axis {axis}"
    if batch:
        message = f"{how} of a tensor {shape} normalises over the {shape[0]} samples of the batch"
        why = "Probabilities of different samples sum to 1: a prediction depends on its batch, and a single sample always gets 1."
    else:
        message = f"{how} of a tensor {shape}: torch takes axis {axis} by an old rule that depends on the number of axes"
        why = "It may be the right axis today and another one when the tensor gets an axis more."
    return Finding(
        check="wrong-softmax-dim",
        severity="error" if batch else "warning",
        message=message,
        module=node.module,
        location=named.node_line(node),
        evidence={"axis": axis, "implied": implied, "batch_axis": batch, "size": shape[axis] if axis < len(shape) else None},
        why=why,
        fix="Name the axis that holds the alternatives.",
        code=f"{name}(x, dim=-1)",
        node=node.id,
    )
