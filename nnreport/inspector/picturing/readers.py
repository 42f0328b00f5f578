"""What the model does with each input first: the recorded graph says how a tensor is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from nnreport.facts import Graph, Node, Tree

PASSING = frozenset((
    "permute", "transpose", "movedim", "swapaxes", "swapdims", "t", "T", "mT", "view", "reshape", "view_as", "flatten",
    "unflatten", "unsqueeze", "squeeze", "contiguous", "clone", "detach", "to", "float", "half", "bfloat16", "double", "type",
    "add", "sub", "mul", "div", "true_divide", "subtract", "multiply", "neg", "pad", "dropout", "chunk", "split", "expand",
    "getitem", "__getitem__",
))  # fmt: skip
"""Operations that are looked through: they move or scale values and do not say what these mean."""
MOVING = frozenset(("permute", "transpose", "movedim", "swapaxes", "swapdims", "t", "T", "mT"))
DEPTH = 8


@dataclass
class Reader:
    """The first operation that says what an input is."""

    operation: str = ""
    """``conv2d``, ``linear``, ``embedding``, ``lstm`` …; empty if there is none."""
    module: str = ""
    weight: list[int] = field(default_factory=list)
    """Shape of the first parameter that it reads."""
    parameter: str = ""
    shape: list[int] = field(default_factory=list)
    """Of what it is given."""
    moved: bool = False
    """Axes were permuted on the way."""
    batch_first: bool = True
    """False for a recurrent layer that takes time first."""


def readers(graph: Graph | None, tree: Tree | None) -> dict[str, Reader]:
    """Input name -> how it is read; inputs that nothing reads are left out."""
    if graph is None:
        return {}
    consumers: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for each in node.inputs:
            consumers.setdefault(each, []).append(node)
    shapes = {parameter.name: parameter.shape for parameter in tree.parameters} if tree else {}
    settings = {module.path: module.settings for module in tree.modules} if tree else {}
    found = {}
    for node in graph.nodes:
        if node.kind == "input":
            reader = follow(node, consumers)
            if reader is not None:
                reader.weight = shapes.get(reader.parameter, [])
                reader.batch_first = settings.get(reader.module, {}).get("batch_first", True) is not False
                found[node.name] = reader
    return found


def follow(start: Node, consumers: dict[int, list[Node]]) -> Reader | None:
    """Breadth first through what only moves values, to the first operation that does more."""
    frontier = [(start, False)]
    seen = {start.id}
    for _ in range(DEPTH):
        following = []
        for node, moved in frontier:
            for reader in consumers.get(node.id, []):
                if reader.id in seen or reader.kind != "op":
                    continue
                seen.add(reader.id)
                if reader.name in PASSING:
                    following.append((reader, moved or reader.name in MOVING))
                else:
                    at = reader.inputs.index(node.id)
                    shape = list(reader.reads[at].shape) if at < len(reader.reads) else []
                    first = next((name for name in reader.parameters if name.endswith(("weight", "weight_ih_l0"))), "")
                    return Reader(reader.name, reader.module, [], first or next(iter(reader.parameters), ""), shape, moved)
        frontier = following
    return None
