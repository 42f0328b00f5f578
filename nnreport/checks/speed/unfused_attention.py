"""unfused-attention: attention written out by hand

## Looks for
``softmax(Q Kᵀ · scale + mask) V`` as separate operations in the user's own code.

## Why it matters
``F.scaled_dot_product_attention`` computes the same without ever holding the L×L table of weights: memory grows with the
length instead of its square, and on GPUs it is several times faster.

## How to mend it
``F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=...)``.

## Quiet when
* the weights are used otherwise too (returned, kept, multiplied by a head mask);
* the code is an installed package's.

## Known limits
It is advice. Scores changed in a way that no mask can express (soft-capping, talking heads) are not matched, which is right.

## Sources
PyTorch documentation of ``scaled_dot_product_attention``; Dao et al., FlashAttention (2022).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import CAST, DROPOUT, LAYOUT, walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("graph",)
PRODUCTS = frozenset({"matmul", "bmm", "einsum", "baddbmm"})
SCORES = LAYOUT | CAST | DROPOUT | frozenset({"mul", "div", "add", "sub", "masked_fill", "where"})
"""What may happen to the scores before the softmax."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all places."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    found = []
    for node in graph.operations({"softmax"}):
        if node.location is None or not node.location.user:
            continue
        scores = graph.source(node, 0, SCORES)
        if scores is None or graph.name(scores) not in PRODUCTS or len(scores.inputs) < 2 or scores.parameters:
            continue
        users = graph.users(node, LAYOUT | CAST | DROPOUT)
        if len(users) == 1 and graph.name(users[0]) in PRODUCTS and len(users[0].inputs) > 1:
            found.append(node)
    if not found:
        return
    first = found[0]
    shape = first.outputs[0].shape if first.outputs else []
    paths = list(dict.fromkeys(node.module for node in found))
    yield Finding(
        check="unfused-attention",
        severity=SEVERITY,
        message=f"{named.label(first.module)} writes attention out: a softmax of Q·Kᵀ {shape} times V"
        + (f"; {len(found)} places" if len(found) > 1 else ""),
        module=first.module,
        modules=paths,
        location=named.node_line(first),
        evidence={"places": len(found), "weights_shape": str(shape)},
        why="The table of weights grows with the square of the length; the fused operation never holds it.",
        fix="Use F.scaled_dot_product_attention.",
        code="out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p if self.training else 0.0)",
        node=first.id,
    )
