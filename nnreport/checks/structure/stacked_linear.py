"""stacked-linear: two linear maps with nothing non-linear between

## Looks for
A linear or convolutional layer whose output reaches the next one through reshapes, dropout and (between convolutions) batch
norm only.

## Why it matters
Two linear maps in a row are one linear map: the net is a layer shallower than it looks, and the inner width buys nothing.
Most often an activation was forgotten.

## How to mend it
Put an activation between, or make one layer of the two.

## Quiet when
* the inner width is smaller than both sides: a low-rank factorisation (adapters, LoRA, linear bottlenecks, autoencoder
  codes);
* a convolution is grouped or depthwise, the kernels factor a larger one (1×k then k×1), a transposed convolution or a pixel
  shuffle stands between resolutions;
* one of the two is frozen, tied, or shared; the first one's output is also read by something else;
* anything else happens between: a sum, a product, a concatenation, attention, pooling, a layer norm.

## Known limits
A pair that is meant (deep linear networks, over-parametrised training) is reported. A forgotten activation before a sum or a
pooling is not seen, nor one whose layer is narrower than both its neighbours.

## Sources
NeuraLint (missing non-linear activation), UMLAUT; the exceptions are the measured healthy patterns: inverted residuals,
factorised embeddings, LoRA, depthwise-separable convolutions, QKV and output projections.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup, spread_names
from nnreport.checks.walk import AFFINE, BATCH_NORMS, CAST, CONVOLUTIONS, DROPOUT, LAYOUT, SELECT, Walk, elements, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph", "tree")
BETWEEN = (LAYOUT - {"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unfold"}) | CAST | SELECT | DROPOUT
"""What may stand between two maps and leaves them linear together. Pixel shuffle is a change of resolution: meant."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per chain; chains of equal blocks together."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    follows: dict[int, Node] = {}
    for node in graph.operations(AFFINE):
        before = first_of_pair(graph, named, node)
        if before is not None:
            follows[before.id] = node
    chains: dict[tuple[str, ...], list[list[Node]]] = {}
    inner = {node.id for node in follows.values()}
    for start in sorted(follows):
        if start in inner:
            continue
        chain = [graph.nodes[start]]
        while chain[-1].id in follows:
            chain.append(follows[chain[-1].id])
        chains.setdefault(shape_of(named, chain), []).append(chain)
    for equal in chains.values():
        yield finding(graph, named, equal)


def first_of_pair(graph: Walk, named: Lookup, second: Node) -> Node | None:
    """The linear map that feeds ``second`` and nothing else, where the two are a fault; else None."""
    if not is_layer(graph, second):
        return None
    first = graph.source(second, 0, BETWEEN)
    both = "conv" in graph.name(second)
    if first is not None and both and graph.name(first) in BATCH_NORMS:
        first = graph.source(first, 0, BETWEEN)
    if first is None or not is_layer(graph, first) or first.module == second.module:
        return None
    through = BETWEEN | BATCH_NORMS if both and "conv" in graph.name(first) else BETWEEN
    if [user.id for user in graph.users(first, through)] != [second.id]:
        return None
    if not healthy(graph, named, first, second):
        return first
    return None


def is_layer(graph: Walk, node: Node) -> bool:
    """Does it apply weights of its own to one activation?"""
    return (
        node.kind == "op"
        and graph.name(node) in AFFINE
        and bool(node.parameters)
        and len(node.inputs) == 1
        and bool(node.outputs)
    )


def healthy(graph: Walk, named: Lookup, first: Node, second: Node) -> bool:
    """Is the pair one of the patterns that are meant?"""
    for node in (first, second):
        owners = [named.parameters[name] for name in node.parameters if name in named.parameters]
        if any(not parameter.trainable or parameter.tied for parameter in owners) or len(named.calls_of.get(node.module, ())) > 1:
            return True
        if "transpose" in graph.name(node) or groups(named, node) > 1:
            return True
    if factored(named, first, second):
        return True
    width_in, inner = features(graph, first, 0), features(graph, first)
    width_in_2, out = features(graph, second, 0), features(graph, second)
    if None in (width_in, inner, width_in_2, out):
        return True
    if inner != width_in_2:  # flattened in between, or only a part is taken: compare what a sample holds
        if set(path(graph, first, second)) & SELECT:
            return False
        width_in, inner, out = (per_sample(tensor) for tensor in (first.reads[0], first.outputs[0], second.outputs[0]))
    return inner < min(width_in, out)  # type: ignore[operator, type-var]


def path(graph: Walk, first: Node, second: Node) -> list[str]:
    """Names of the operations between the two."""
    found: list[str] = []
    node = graph.nodes[second.inputs[0]]
    while node.id != first.id and node.inputs and node.inputs[0] in graph.nodes:
        found.append(graph.name(node))
        node = graph.nodes[node.inputs[0]]
    return found


def per_sample(tensor) -> int:  # type: ignore[no-untyped-def]
    """Elements of one sample."""
    return elements(tensor.shape[1:])


def features(graph: Walk, node: Node, argument: int | None = None) -> int | None:
    """Width of a layer's output, or of what it reads."""
    tensors = node.outputs if argument is None else node.reads
    if not tensors or not tensors[0].shape:
        return None
    shape = tensors[0].shape
    if graph.name(node) in CONVOLUTIONS:
        dimensions = int(graph.name(node)[-2]) if graph.name(node)[-2:-1].isdigit() else 2
        return shape[-dimensions - 1] if len(shape) > dimensions else None
    return shape[-1]


def groups(named: Lookup, node: Node) -> int:
    """Groups of a convolution."""
    value = node.attributes.get("groups", named.settings(node.module).get("groups", 1))
    return value if isinstance(value, int) else 1


def factored(named: Lookup, first: Node, second: Node) -> bool:
    """Do two kernels factor a larger one along different axes (1×k, then k×1)?"""
    one, two = (named.settings(node.module).get("kernel_size") for node in (first, second))
    if not isinstance(one, list) or not isinstance(two, list) or len(one) != len(two):
        return False
    return one != two and max(one) > 1 and max(two) > 1 and all(a == 1 or b == 1 for a, b in zip(one, two, strict=True))


def shape_of(named: Lookup, chain: list[Node]) -> tuple[str, ...]:
    """Equal for the same chain in equal blocks."""
    modules = [named.modules.get(node.module) for node in chain]
    return tuple(
        (module.signature or module.path) if module else node.module for node, module in zip(chain, modules, strict=True)
    )


def finding(graph: Walk, named: Lookup, equal: list[list[Node]]) -> Finding:
    chain = equal[0]
    widths = [features(graph, chain[0], 0), *(features(graph, node) for node in chain)]
    paths = [node.module for node in chain]
    more = f", and so in {len(equal) - 1} equal block{'s' if len(equal) > 2 else ''}" if len(equal) > 1 else ""
    parent = chain[0].module.rpartition(".")[0]
    third_party = named.settled(parent) if parent in named.modules else False
    return Finding(
        check="stacked-linear",
        severity="note" if third_party else SEVERITY,
        message=(
            f"{spread_names([named.label(path) for path in paths])} follow each other with nothing non-linear between "
            f"({' → '.join(map(str, widths))}){more}"
        ),
        module=paths[0],
        modules=[node.module for each in equal for node in each],
        location=named.node_line(chain[1]),
        evidence={"maps": len(chain), "widths": " → ".join(map(str, widths)), "blocks": len(equal)},
        why=f"Together they are one linear map from {widths[0]} to {widths[-1]}: the width of {widths[1]} between buys nothing.",
        fix="Put an activation between them, or make one layer of them.",
        code=f"x = F.relu(self.{chain[0].module}(x))" if chain[0].module.isidentifier() else "nn.ReLU(),  # between the two",
        node=chain[1].id,
    )
