"""dropout-before-batchnorm: the norm learns a variance that evaluation does not have

## Looks for
Dropout right before a batch norm, or with one linear or convolutional layer between.

## Why it matters
Dropout raises the variance of what follows in training and not in evaluation. The norm's running variance is that of
training, so in evaluation it divides by too much.

## How to mend it
Put dropout after the norms: before the last linear layer, say.

## Quiet when
The rate is 0, or an activation, a sum or another norm stands between.

## Known limits
It is advice: the shift is small for small rates and wide layers.

## Sources
Li et al., “Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift” (CVPR 2019); NeuraLint.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import AFFINE, BATCH_NORMS, CAST, DROPOUT, LAYOUT, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("graph",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all places."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    found: list[tuple[Node, Node]] = []
    for norm in graph.operations(BATCH_NORMS):
        node = graph.source(norm, 0, LAYOUT | CAST)
        if node is not None and graph.name(node) in AFFINE:
            node = graph.source(node, 0, LAYOUT | CAST)
        if node is not None and graph.name(node) in DROPOUT and rate(node) > 0:
            found.append((node, norm))
    if not found:
        return
    dropout, norm = found[0]
    shift = 1 / (1 - min(rate(dropout), 0.99))
    yield Finding(
        check="dropout-before-batchnorm",
        severity=SEVERITY,
        message=f"{named.label(dropout.module)} with p = {rate(dropout):g} stands before {named.label(norm.module)}"
        + (f", and so in {len(found) - 1} other place(s)" if len(found) > 1 else ""),
        module=dropout.module,
        modules=[each.module for each, _ in found],
        location=named.node_line(dropout),
        evidence={"p": rate(dropout), "places": len(found), "second_moment_in_training": shift},
        why=(
            f"In training the norm sees a second moment {shift:.2g} times that of evaluation, and keeps it in its "
            f"running variance."
        ),
        fix="Move the dropout behind the last batch norm.",
        node=norm.id,
    )


def rate(node: Node) -> float:
    """The dropout's rate; torch's default of one half where it was not recorded."""
    value = node.attributes.get("p", 0.5)
    return float(value) if isinstance(value, int | float) else 0.5
