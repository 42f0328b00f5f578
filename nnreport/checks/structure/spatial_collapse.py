"""spatial-collapse: the feature map is gone before the network ends

## Looks for
A convolution of which at most half of the kernel ever meets data, because the map it reads is too small: a 3×3 kernel on a
1×1 map sees padding in 8 of its 9 places.

## Why it matters
The weights that only see padding get no gradient and compute nothing, at the full price in memory and time. The network has
strided or pooled away the picture before it was done looking at it.

## How to mend it
Take out a stride or a pooling, or feed larger inputs.

## Quiet when
* the map was made 1×1 by global pooling and is read by 1×1 kernels (squeeze-and-excite, heads);
* the input itself is that small: then there was nothing to lose;
* an installed package's class wires the layer: a note, since its authors know their maps and the input may be the small one.

## Known limits
It speaks of the given input: a model made for 224×224 that is shown 32×32 is reported, and rightly for that input.

## Sources
NeuraLint (feature space too small). A kernel of size k on a map of size n meets data with at most 2n − 1 of its k places per
axis; the limit of one half of the kernel is this project's.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.walk import walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph", "tree")
USED = 0.5
"""Share of the kernel that meets data; at or below it the layer is reported."""
CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
"""Operation -> number of spatial axes."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such layers."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    found: list[tuple[str, int, list[int], list[int], float]] = []
    for node in graph.operations(CONVOLUTIONS):
        axes = CONVOLUTIONS[graph.name(node)]
        settings = named.settings(node.module)
        kernel, dilation = settings.get("kernel_size"), settings.get("dilation", [1] * axes)
        if not isinstance(kernel, list) or len(kernel) != axes or not node.reads or len(node.reads[0].shape) < axes + 1:
            continue
        size = node.reads[0].shape[-axes:]
        steps = dilation if isinstance(dilation, list) and len(dilation) == axes else [1] * axes
        share = 1.0
        for n, k, step in zip(size, kernel, steps, strict=True):
            share *= min(1.0, (1 + 2 * ((n - 1) // step)) / k)
        if share <= USED and shrunk(facts, axes, size) and node.module not in [path for path, *_ in found]:
            found.append((node.module, node.id, size, kernel, share))
    if not found:
        return
    path, node_id, size, kernel, share = found[0]
    sizes = ["×".join(map(str, each)) for each in (size, kernel)]
    more = f"; so do {len(found) - 1} more" if len(found) > 1 else ""
    yield Finding(
        check="spatial-collapse",
        severity="note" if named.settled(path.rpartition(".")[0]) else SEVERITY,
        message=(
            f"{named.label(path)} reads a {sizes[0]} map with a {sizes[1]} kernel: "
            f"{100 * share:.0f} % of the kernel ever meets data "
            f"(limit {100 * USED:.0f} %){more}"
        ),
        module=path,
        modules=[each for each, *_ in found],
        location=named.node_line(graph.nodes[node_id]),
        evidence={"map": sizes[0], "kernel": sizes[1], "used": share, "limit": USED, "layers": len(found)},
        why="The rest of the kernel only sees padding: those weights cost memory and time and can never learn.",
        fix=f"Take out a stride or pooling before {spread_names([path])}, or use larger inputs.",
        node=node_id,
    )


def shrunk(facts: Facts, axes: int, size: list[int]) -> bool:
    """Did the model make the map that small: is some input larger?"""
    assert facts.graph is not None
    return any(
        max(tensor.shape[-axes:] if len(tensor.shape) == axes + 2 else tensor.shape[1:], default=0) > max(size)
        for node in facts.graph.nodes
        if node.kind == "input"
        for tensor in node.outputs
        if len(tensor.shape) >= axes + 1
    )
