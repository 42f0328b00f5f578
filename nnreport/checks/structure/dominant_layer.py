"""dominant-layer: nearly all parameters sit in one layer

## Looks for
One layer that owns over 80 % of all parameters, in a net of more than three layers with weights.

## Why it matters
It decides size, memory and overfitting alone. Most often it is the first linear layer after flattening a large feature map.

## How to mend it
Pool before flattening (``nn.AdaptiveAvgPool2d(1)``), or narrow the layer.

## Quiet when
It is an embedding, or shares its weights with one: vocabularies are large.

## Known limits
It is advice: AlexNet and VGG are built so.

## Sources
The limit of 80 % is this project's choice: VGG-16's first linear layer holds 74 % of its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("tree",)
SHARE = 0.8
"""Of all parameters."""
LEAST_LAYERS = 4
"""Layers with a matrix; below that one layer is bound to dominate."""
EMBEDDINGS = ("Embedding", "EmbeddingBag")


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    assert facts.tree is not None
    tree, named = facts.tree, lookup(facts)
    owners = {parameter.module for parameter in tree.parameters if parameter.kind == "parameter" and len(parameter.shape) > 1}
    if tree.total == 0 or len(owners) < LEAST_LAYERS:
        return
    largest = max(tree.modules, key=lambda module: module.parameters)
    if largest.parameters <= SHARE * tree.total or largest.kind in EMBEDDINGS or not largest.path:
        return
    tied = [name for parameter in tree.parameters if parameter.module == largest.path for name in parameter.tied]
    if any(named.kind(name.rpartition(".")[0]) in EMBEDDINGS for name in tied):
        return
    share = largest.parameters / tree.total
    flattened = largest.kind == "Linear"
    yield Finding(
        check="dominant-layer",
        severity=SEVERITY,
        message=(
            f"{named.label(largest.path)} owns {100 * share:.0f} % of all parameters ({largest.parameters:,} of {tree.total:,}; "
            f"limit {100 * SHARE:.0f} %), in a net of {len(owners)} layers"
        ),
        module=largest.path,
        location=named.class_line(largest.path),
        evidence={"share": share, "limit": SHARE, "parameters": largest.parameters, "layers": len(owners)},
        why="It decides the model's size and memory alone, and is where it will overfit first.",
        fix=(
            "Pool the feature map before it, or make it narrower."
            if flattened
            else "Make it narrower, or spend the parameters elsewhere."
        ),
        code="nn.AdaptiveAvgPool2d(1), nn.Flatten(),  # before it" if flattened else "",
    )
