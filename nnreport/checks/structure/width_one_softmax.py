"""width-one-softmax: a softmax over one element

## Looks for
``softmax`` or ``log_softmax`` over an axis of size 1 that the architecture, not the input, makes that size.

## Why it matters
The softmax of one number is 1, always, and its gradient is exactly zero: nothing before it can learn. It comes of a binary
classifier with one output and a softmax instead of a sigmoid, or of attention weights of shape (batch, time, 1) normalised
over the last axis.

## How to mend it
One output: ``sigmoid`` (or ``binary_cross_entropy_with_logits`` on the bare value). Attention: the softmax belongs over the
time axis.

## Quiet when
The axis is as long as the input makes it (attention over a single key, a sequence of length one).

## Known limits
Where the width comes of a reshape whose factors cannot be told apart, it keeps quiet.

## Sources
Six of the published real buggy programs (DeepFD, deepmufl) have it; measured: all gradients exactly 0, binary cross-entropy
stuck at 100·P(y=0). No published tool looks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import AFFINE, CAST, DROPOUT, NORMS, Walk, walk, width
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("graph",)
KEEPS_AXES = (
    CAST
    | DROPOUT
    | NORMS
    | frozenset(
        ["mul", "div", "add", "sub", "neg", "masked_fill", "where", "clamp", "contiguous", "tanh", "sigmoid", "relu", "exp"]
    )
)
"""What leaves the axes where they are."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per operation."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    seen: set[str] = set()
    for node in graph.operations({"softmax", "log_softmax"}):
        axis = axis_of(node)
        if axis is None or not node.outputs or node.outputs[0].shape[axis] != 1 or elements_over(node) or node.module in seen:
            continue
        made_by = owner_of_axis(graph, node, axis)
        if made_by is None:
            continue
        seen.add(node.module)
        name, shape = graph.name(node), node.outputs[0].shape
        pooling = len(shape) > 2
        yield Finding(
            check="width-one-softmax",
            severity=SEVERITY,
            message=(
                f"{name} over axis {axis} of a tensor {shape}: that axis has size 1, made so by {named.label(made_by)}; "
                f"the result is {'0' if name == 'log_softmax' else '1'} whatever comes in and its gradient is exactly 0"
            ),
            module=node.module,
            location=named.node_line(node),
            evidence={"axis": axis, "size": 1, "operation": name},
            why=f"Nothing before it can learn through it: {named.label(made_by)} stays as it is.",
            fix=(
                "Take the softmax over the axis that holds the alternatives (time, classes)."
                if pooling
                else "Use a sigmoid for a single output."
            ),
            code="weights = torch.softmax(scores, dim=1)" if pooling else "torch.sigmoid(x)",
            node=node.id,
        )


def axis_of(node: Node) -> int | None:
    """The axis of a softmax, counted from the front; None where it was not given or cannot be told."""
    dim = node.attributes.get("dim")
    if not isinstance(dim, int) or isinstance(dim, bool) or not node.outputs or not node.outputs[0].shape:
        return None
    rank = len(node.outputs[0].shape)
    axis = dim + rank if dim < 0 else dim
    return axis if 0 <= axis < rank else None


def elements_over(node: Node) -> bool:
    """Is it a tensor of no elements?"""
    return 0 in node.outputs[0].shape


def owner_of_axis(graph: Walk, node: Node, axis: int) -> str | None:
    """The layer whose width of 1 the axis is, or None where the axis is not a layer's width."""
    before = graph.source(node, 0, KEEPS_AXES)
    if before is None or graph.name(before) not in AFFINE or not before.parameters or width(before) != 1 or not before.outputs:
        return None
    rank = len(before.outputs[0].shape)
    if rank != len(node.outputs[0].shape):
        return None
    channel = rank - 1 if "conv" not in graph.name(before) else 1
    return before.module if axis == channel else None
