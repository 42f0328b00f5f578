"""The recorded forward, made ready to be drawn: dull operations left out, chains of reshapes joined, equal calls recognised."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import NamedTuple

from nnreport.facts import Call, Graph, Module, Node, TensorInfo, Tree

DULL = frozenset(
    {"getitem", "__getitem__", "getattr", "__get__", "size", "shape", "dim", "numel", "contiguous", "to", "type", "float", "half"}
    | {
        "double",
        "long",
        "int",
        "bool",
        "type_as",
        "is_floating_point",
        "is_contiguous",
        "item",
        "alias",
        "lift_fresh",
        "broadcast_tensors",
    }
)
"""Operations that pass a tensor on, or read its shape: a reader of the architecture does not miss them."""
RESHAPES = frozenset(
    {
        "view",
        "reshape",
        "permute",
        "transpose",
        "flatten",
        "unflatten",
        "unsqueeze",
        "squeeze",
        "expand",
        "expand_as",
        "view_as",
        "t",
        "mT",
    }
    | {"T", "swapaxes", "swapdims", "movedim", "moveaxis", "ravel", "reshape_as"}
)
"""Operations that only look at the same numbers otherwise: one after the other they are drawn as one."""
ROOT = -1
"""Stands for the call of the root module, and for what happened outside of any call."""


class Entry(NamedTuple):
    """One step of a call: another call, or an operation (the first of its chain)."""

    is_call: bool
    id: int


class Flow:
    """Calls and operations of a graph, with what a picture needs to know of them.

    ``keep`` are nodes that must stay visible (findings point at them).
    """

    def __init__(self, graph: Graph, tree: Tree | None, keep: Collection[int] = ()) -> None:
        self.graph = graph
        self.modules: dict[str, Module] = {module.path: module for module in tree.modules} if tree else {}
        tops = [call.id for call in graph.calls if call.parent is None]
        self.calls: dict[int, Call] = {call.id: call for call in graph.calls}
        self.top = tops[0] if len(tops) == 1 and self.calls[tops[0]].module == "" else None
        self.nodes: dict[int, Node] = {node.id: node for node in graph.nodes}
        self.parent: dict[int, int] = {}
        self.children: dict[int, list[int]] = {ROOT: []}
        for call in graph.calls:
            if call.id == self.top:
                continue
            above = ROOT if call.parent is None or call.parent == self.top or call.parent not in self.calls else call.parent
            self.parent[call.id] = above
            self.children.setdefault(above, []).append(call.id)
            self.children.setdefault(call.id, [])
        self._contract(set(keep))
        self._order()

    # ------------------------------------------------------------------------------------------------------ operations

    def home(self, node: Node) -> int:
        """The innermost call of a node."""
        return ROOT if node.call is None or node.call == self.top or node.call not in self.children else node.call

    def _contract(self, keep: set[int]) -> None:
        """``sources``: what each visible node reads; ``chain``: names of the operations that it stands for."""
        consumers: dict[int, int] = {}
        for node in self.graph.nodes:
            for source in set(node.inputs):
                consumers[source] = consumers.get(source, 0) + 1
        self.head: dict[int, int | None] = {}
        self.chain: dict[int, list[Node]] = {}
        self.sources: dict[int, list[tuple[int, TensorInfo | None]]] = {}
        for node in self.graph.nodes:
            reads = list(zip(node.inputs, [*node.reads, *[None] * len(node.inputs)], strict=False))
            seen = [(self.head.get(i), info) for i, info in reads]
            above = [(i, info) for i, info in seen if i is not None]
            kept = node.id in keep
            if node.kind == "op" and not kept and (node.name in DULL or not node.outputs):
                self.head[node.id] = above[0][0] if above and node.outputs else None
                continue
            if node.kind == "constant" and not consumers.get(node.id):
                self.head[node.id] = None
                continue
            if node.kind == "op" and node.name in RESHAPES and not kept and len(above) == 1:
                first = above[0][0]
                last = self.chain[first][-1]
                lone = consumers.get(last.id, 0) == 1 and last.id in node.inputs and self.home(last) == self.home(node)
                if lone and last.name in RESHAPES and last.kind == "op" and first not in keep:
                    self.chain[first].append(node)
                    self.head[node.id] = first
                    continue
            self.head[node.id] = node.id
            self.chain[node.id] = [node]
            unique = dict(reversed(above))
            self.sources[node.id] = [(i, unique[i]) for i in dict(above)]
        self.readers: dict[int, list[int]] = {}
        for reader, sources in self.sources.items():
            for source, _ in sources:
                self.readers.setdefault(source, []).append(reader)

    def outputs(self, node: int) -> list[TensorInfo]:
        """What comes out of a visible node (of the last of its chain)."""
        return self.chain[node][-1].outputs

    # ---------------------------------------------------------------------------------------------------------- order

    def _order(self) -> None:
        """``entries``: the steps of each call in order; ``inner``: all visible nodes below it."""
        own: dict[int, list[int]] = {}
        for node in self.sources:
            own.setdefault(self.home(self.nodes[node]), []).append(node)
        self.inner: dict[int, list[int]] = {}
        self.entries: dict[int, list[Entry]] = {}
        self.ordinals: dict[int, tuple[int, ...]] = {ROOT: ()}
        self.below: dict[int, list[int]] = {}
        order: list[int] = []
        stack = [ROOT]
        while stack:
            call = stack.pop()
            order.append(call)
            for i, child in enumerate(self.children.get(call, ())):
                self.ordinals[child] = (*self.ordinals[call], i)
                stack.append(child)
        for call in reversed(order):
            placed: list[tuple[float, int, Entry]] = [(float(node), 0, Entry(False, node)) for node in own.get(call, ())]
            last = float(max((node for node in own.get(call, ()) if self.nodes[node].kind == "input"), default=-1))
            for i, child in enumerate(self.children.get(call, ())):
                first = float(self.inner[child][0]) if self.inner[child] else last + 1e-3
                if not self.inner[child] and self.calls[child].failed:
                    first = float("inf")
                elif not self.inner[child] and self.graph.nodes:
                    continue  # it handed on what it was given: an Identity, a Dropout in eval mode
                placed.append((first, i, Entry(True, child)))
                last = max(last, float(self.inner[child][-1]) if self.inner[child] else first)
            placed.sort()
            self.entries[call] = [entry for _, _, entry in placed]
            self.inner[call] = sorted(
                [*own.get(call, ()), *(n for child in self.children.get(call, ()) for n in self.inner[child])]
            )
            self.below[call] = [d for child in self.children.get(call, ()) for d in (child, *self.below[child])]

    def inside(self, entry: Entry) -> list[int]:
        """Visible nodes of a step."""
        return self.inner[entry.id] if entry.is_call else [entry.id]

    # --------------------------------------------------------------------------------------------------------- equality

    def path(self, call: int) -> str:
        return "" if call == ROOT else self.calls[call].module

    def relative(self, path: str, base: str) -> str:
        """A module path seen from ``base``; one that does not lie below it is written ``/path``."""
        if not base:
            return path
        return path[len(base) + 1 :] if path.startswith(base + ".") else "/" + path

    def keys(self) -> dict[int, int]:
        """call -> number; equal for calls that did the same on the same shapes with equal modules."""
        seen: dict[Hashable, int] = {}
        return {call: seen.setdefault(self._key(call), len(seen)) for call in self.inner if call != ROOT}

    def _key(self, call: int) -> Hashable:
        base, depth = self.path(call), len(self.ordinals[call])
        module = self.modules.get(base)
        nodes = self.inner[call]
        index = {node: i for i, node in enumerate(nodes)}
        outside: dict[int, int] = {}
        parts: list[Hashable] = [module.signature if module else base, module.cls if module else "", self.calls[call].failed]
        for child in self.below[call]:
            inner = self.calls[child]
            parts.append((self.ordinals[child][depth:], self.relative(inner.module, base), inner.failed))
        for node in nodes:
            reads = tuple(index[s] if s in index else ~outside.setdefault(s, len(outside)) for s, _ in self.sources[node])
            where = self.ordinals[self.home(self.nodes[node])][depth:]
            shapes = tuple(tuple(out.shape) for out in self.outputs(node))
            parts.append((where, tuple(each.name for each in self.chain[node]), shapes, reads))
        return tuple(parts)

    def drillable(self, call: int) -> bool:
        """Is there more inside than one would guess from the outside? torch's own leaves are what their name says."""
        if self.children.get(call):
            return True
        module = self.modules.get(self.path(call))
        return bool(module and module.user and len(self.inner[call]) > 1)
