"""bias-before-norm: a bias that the next layer takes away

## Looks for
A linear or convolutional layer with a bias whose output goes straight into a batch or instance norm.

## Why it matters
The norm subtracts the mean of each channel, and with it the bias; its own shift takes the bias's place. The parameter learns
nothing and costs an addition over the whole feature map.

## How to mend it
``bias=False``.

## Quiet when
* the norm does not take away that mean (layer norm, group norm, RMS norm), or acts along another axis than the bias;
* something else reads the layer's output too.

## Known limits
It is advice: nothing is computed wrong.

## Sources
NeuraLint, torch-audit TA400, PyTorch's own profiler pattern ``Conv2dBiasFollowedByBatchNorm2d``.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.walk import AFFINE, BATCH_NORMS, CAST, LAYOUT, walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("graph", "tree")
MEAN_REMOVING = BATCH_NORMS | {"instance_norm"}


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such layers."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    found: dict[str, tuple[int, str]] = {}
    biases = 0
    for node in graph.operations(MEAN_REMOVING):
        before = graph.source(node, 0, LAYOUT | CAST)
        if before is None or graph.name(before) not in AFFINE or not node.reads or len(node.reads[0].shape) < 2:
            continue
        bias = next((name for name in before.parameters if name.rpartition(".")[2] == "bias"), None)
        parameter = named.parameters.get(bias) if bias else None
        if parameter is None or parameter.count != node.reads[0].shape[1] or len(graph.users(before, LAYOUT | CAST)) > 1:
            continue
        if before.module not in found:
            found[before.module] = (before.id, node.module)
            biases += parameter.count
    if not found:
        return
    path, (node_id, norm) = next(iter(found.items()))
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    yield Finding(
        check="bias-before-norm",
        severity=SEVERITY,
        message=f"{named.label(path)} has a bias that {named.label(norm)} subtracts again{others} ({biases:,} parameters)",
        module=path,
        modules=list(found),
        location=named.node_line(graph.nodes[node_id]),
        evidence={"layers": len(found), "parameters": biases},
        why="The norm removes each channel's mean, and its own shift takes the bias's place: these parameters learn nothing.",
        fix=f"Make {spread_names(list(found), 3)} with bias=False.",
        node=node_id,
    )
