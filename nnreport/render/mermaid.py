"""The model's top level as a mermaid flowchart, which GitHub draws in comments, job summaries and files."""

from __future__ import annotations

from collections.abc import Iterable

from nnreport.facts import Facts, Graph, Module, Node
from nnreport.render import format
from nnreport.render.plain import visible

NODE_LIMIT = 60
"""GitHub draws more, but nobody reads it."""
AIM = 18
"""Containers are opened, the largest first, while the picture has no more boxes than this."""
CONTAINERS = ("", "Sequential", "ModuleList", "ModuleDict")
"""Kinds that may be opened: the user's own classes and torch.nn's containers."""
STANDALONE = {
    *("add", "mul", "matmul", "cat", "concat", "stack", "relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax"),
    *("dropout", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "embedding", "linear", "conv1d", "conv2d"),
}
"""Operations outside of every box that get one of their own; others (reshapes, indexing, scalars) are drawn through."""


def overview(facts: Facts) -> str:
    """The flowchart, or the empty string where there is no graph. At most :data:`NODE_LIMIT` boxes."""
    tree, graph = facts.tree, facts.graph
    if tree is None or graph is None or not graph.nodes or not tree.modules:
        return ""
    modules = {module.path: module for module in tree.modules}
    children: dict[str, list[str]] = {}
    for module in tree.modules:
        if module.parent is not None:
            children.setdefault(module.parent, []).append(module.path)
    drawn = chart(modules, graph, blocks := [""])
    while True:
        # A block that stands for its equals stays closed, and so does what torch.nn brings whole (an attention, an LSTM).
        single = {group[0] for group in drawn.groups if len(group) == 1}
        idle = {path for path in blocks if path in children and not any(path in group for group in drawn.groups)}
        can = [path for path in blocks if path in children and path in single | idle and modules[path].kind in CONTAINERS]
        if not can:
            return drawn.text(modules)
        largest = max(can, key=lambda path: modules[path].total)
        finer = [each for path in blocks for each in (children[path] if path == largest else [path])]
        next_drawn = chart(modules, graph, finer)
        if largest and len(next_drawn.groups) > AIM:
            return drawn.text(modules)
        blocks, drawn = finer, next_drawn


ENTITIES = str.maketrans({character: f"#{ord(character)};" for character in '#"<>&`\\|'})


class Chart:
    """Boxes and edges; a box is a list of equal blocks in a row."""

    def __init__(self, groups: list[list[str]], edges: dict[tuple[str, str], str], names: dict[str, str]) -> None:
        self.groups, self.edges, self.names = groups, edges, names

    def text(self, modules: dict[str, Module]) -> str:
        """Mermaid source."""
        shown = self.groups[:NODE_LIMIT] if len(self.groups) <= NODE_LIMIT else self.groups[: NODE_LIMIT - 1]
        box = {path: f"n{index}" for index, group in enumerate(shown) for path in group}
        lines = ["flowchart TD"]
        for index, group in enumerate(shown):
            lines.append(f"  n{index}{label(group, modules, self.names)}")
        if len(shown) < len(self.groups):
            lines.append(f'  more["… {len(self.groups) - len(shown)} more boxes"]')
        drawn = set()
        for (source, target), shape in self.edges.items():
            ends = (box.get(source, "more"), box.get(target, "more"))
            if ends[0] != ends[1] and ends not in drawn:
                drawn.add(ends)
                lines.append(f'  {ends[0]} -->|"{shape}"| {ends[1]}' if shape else f"  {ends[0]} --> {ends[1]}")
        return "\n".join(lines)


def chart(modules: dict[str, Module], graph: Graph, blocks: list[str]) -> Chart:
    """The picture with these modules as boxes."""
    known = set(blocks)
    opened = {""} - known
    for path in blocks:
        while path := path.rpartition(".")[0]:
            opened.add(path)
    names: dict[str, str] = {}
    sources: dict[int, dict[str, str]] = {}  # node -> box its tensor comes from -> shape
    edges: dict[tuple[str, str], str] = {}
    order: dict[str, None] = {}
    for node in graph.nodes:
        incoming: dict[str, str] = {}
        for each in node.inputs:
            incoming |= sources.get(each, {})
        key = box_of(node, known, opened)
        if key is None and (node.kind in ("input", "output") or node.name in STANDALONE):
            key = f"#{node.id}"
            names[key] = node.name or node.kind
        if key is None:
            sources[node.id] = dict.fromkeys(incoming, shape_of(node))
            continue
        order.setdefault(key)
        for source, shape in incoming.items():
            if source != key:
                edges.setdefault((source, key), shape)
        sources[node.id] = {key: shape_of(node)}
    return Chart(fold(list(order), modules, edges), edges, names)


def box_of(node: Node, known: set[str], opened: set[str]) -> str | None:
    """Path of the box in which an operation ran; None where it ran between boxes. A module that is not registered is its own."""
    if node.kind != "op" or node.module in opened:
        return None
    path = node.module
    while path and path not in known:
        path = path.rpartition(".")[0]
    return path if path in known else node.module


def fold(order: list[str], modules: dict[str, Module], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Equal blocks that feed each other become one box."""
    pairs = set(edges)
    groups: list[list[str]] = []
    last: dict[tuple[str | None, str], list[str]] = {}
    for path in order:
        module = modules.get(path)
        key = (module.parent, module.signature) if module and module.signature else None
        group = last.get(key) if key else None
        if group and (group[-1], path) in pairs:
            group.append(path)
            continue
        groups.append([path])
        if key:
            last[key] = groups[-1]
    return groups


def label(group: list[str], modules: dict[str, Module], names: dict[str, str]) -> str:
    """A box: rounded for inputs, outputs and operations, square for modules."""
    first = group[0]
    if first in names:
        return f'(["{safe(names[first])}"])'
    module = modules.get(first)
    name = first or (module.name if module else "model")
    lines = [safe(name if len(group) == 1 else f"{name} … {group[-1].rpartition('.')[2]}")]
    if module:
        times = f" ×{len(group)}" if len(group) > 1 else ""
        size = sum(modules[path].total for path in group if path in modules)
        lines.append(safe(module.name + times) + (f" · {format.short(size)}".replace(format.SPACE, " ") if size else ""))
    else:
        lines.append("not registered")
    return f'["{"<br/>".join(lines)}"]'


def shape_of(node: Node) -> str:
    return format.shape(node.outputs[0].shape) if node.outputs else ""


def safe(text: str) -> str:
    """Text in a quoted label: mermaid's own entities, written with # instead of &."""
    return format.elide(visible(text), 48).translate(ENTITIES)
