"""mixed-batch: one sample's output depends on another sample

## Looks for
Replacing some samples of a batch changes the output of the samples that stayed, in evaluation mode.

## Why it matters
The prediction for one sample depends on which others happen to be in its batch: results cannot be reproduced one by one, and
what the model learns leaks between samples. The cause is a wrong axis: a ``view`` or ``reshape`` that cuts across samples,
attention or a recurrent layer without ``batch_first``, a softmax or mean over axis 0.

## How to mend it
Look at the named operation. Permute before reshaping; give ``batch_first=True``; name the axis.

## Quiet when
* two evaluations of the same batch differ, or the output does not react to its own sample;
* there is no batch axis: the rows are the nodes of a graph or the members of a set (a matrix that does not come of them mixes
  them), or axis 1 is the batch (time-major models);
* batch norm in training mode mixes by design: the trial runs in evaluation mode.

## Known limits
A model that compares the members of its batch on purpose (contrastive logits, in-batch attention) is reported.

## Sources
Lightning-bolts' batch gradient callback, TheDeepChecker (instance-wise operations), Karpathy's recipe. The limit is absolute,
1e-5 of the output's scale: true cases moved the others by 0.002 to 0.05 of the output's standard deviation.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import Walk, walk
from nnreport.facts import Facts, Mixing, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("experiments",)
PRODUCTS = frozenset({"matmul", "mm", "bmm", "einsum", "spmm", "sparse_mm", "addmm", "baddbmm", "tensordot"})
GATHERS = frozenset(
    [
        "index_select",
        "gather",
        "scatter",
        "scatter_add",
        "index_add",
        "scatter_reduce",
        "index_reduce",
        "segment_reduce",
        "getitem",
    ]
)
"""Operations by which a graph network passes messages along given edges."""


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    assert facts.experiments is not None
    mixing = facts.experiments.mixing
    if mixing is None or mixing.reason or mixing.absolute <= mixing.tolerance or given_relations(facts, mixing):
        return
    named = lookup(facts)
    graph = walk(facts.graph) if facts.graph is not None else None
    node = graph.nodes.get(mixing.node) if graph is not None and mixing.node is not None else None
    what = mixing.operation or (graph.name(node) if graph is not None and node is not None else "")
    place = (
        f" at {what} in {named.label(mixing.module)}" if what else f" in {named.label(mixing.module)}" if mixing.module else ""
    )
    changed = f" (sample {mixing.pairs[0][0]} moved sample {mixing.pairs[0][1]})" if mixing.pairs else ""
    yield Finding(
        check="mixed-batch",
        severity=SEVERITY,
        message=(
            f"replacing samples of a batch of {mixing.samples} changed the outputs of the samples that stayed by "
            f"{mixing.moved:.2g} of their standard deviation, in evaluation mode{changed}; "
            f"they first mix{place or ' somewhere inside'} (absolute change {mixing.absolute:.2g}, limit {mixing.tolerance:.2g})"
        ),
        module=mixing.module if mixing.module or what else None,
        location=mixing.location or (named.node_line(node) if node is not None else named.call_line(mixing.module)),
        evidence={
            "moved": mixing.moved,
            "own": mixing.own,
            "absolute": mixing.absolute,
            "limit": mixing.tolerance,
            "samples": mixing.samples,
            "operation": what or None,
        },
        why=(
            "The prediction for one sample depends on which others share its batch; it cannot be reproduced for the sample alone."
        ),
        fix=advice(facts, mixing, what),
        code=code(facts, mixing),
        node=mixing.node,
    )


def given_relations(facts: Facts, mixing: Mixing) -> bool:
    """Are the rows members of a graph or a set: are they mixed by a matrix or by indices that do not come of them?"""
    if facts.graph is None or mixing.node is None:
        return False
    graph = walk(facts.graph)
    node = graph.nodes.get(mixing.node)
    if node is None:
        return False
    name = graph.name(node)
    if name in PRODUCTS:
        rows = facts.graph.batch
        given = [source for source in graph.producers(node) if not depends_on_input(graph, source, floating=True)]
        square = any(tensor.shape[-2:] == [rows, rows] for source in given for tensor in source.outputs)
        owned = any(
            parameter.shape[-2:] == [rows, rows]
            for parameter in (facts.tree.parameters if facts.tree else ())
            if parameter.name in node.parameters
        )
        return bool(rows) and (square or (owned and name != "addmm"))
    if name in GATHERS:
        return any(
            source.kind in ("input", "constant") and source.outputs and "int" in source.outputs[0].dtype
            for source in graph.sources(node)
        )
    return False


def depends_on_input(graph: Walk, node: Node, floating: bool) -> bool:
    """Does a node depend on a floating input of the model, other than by being one?"""
    if node.kind == "input":
        return False
    return any(
        graph.nodes[i].kind == "input"
        and (not floating or (graph.nodes[i].outputs and "float" in graph.nodes[i].outputs[0].dtype))
        for i in graph.upstream(node)
        if i in graph.nodes
    )


def advice(facts: Facts, mixing: Mixing, what: str) -> str:
    kind = lookup(facts).kind(mixing.module)
    if (
        kind in ("MultiheadAttention", "LSTM", "GRU", "RNN", "TransformerEncoderLayer", "TransformerDecoderLayer")
        or "multi_head" in what
    ):
        return "Give the layer batch_first=True, or hand it (time, batch, features)."
    if what in ("softmax", "log_softmax", "mean", "sum", "max", "cumsum", "std", "var"):
        return "Name the axis of the features; axis 0 holds the samples."
    if what in ("view", "reshape", "flatten", "unflatten"):
        return "Permute the axes into place before reshaping: view and reshape only recount, they do not transpose."
    if kind.startswith("BatchNorm"):
        return "Let the norm keep running statistics (track_running_stats=True), or use a norm that looks at one sample."
    return "Check which axis of that operation holds the samples."


def code(facts: Facts, mixing: Mixing) -> str:
    kind = lookup(facts).kind(mixing.module)
    if kind in ("MultiheadAttention", "LSTM", "GRU", "RNN", "TransformerEncoderLayer"):
        return f"nn.{kind}(..., batch_first=True)"
    return ""
