"""Where the gradient ends: from parameters that get none, down the recorded graph to the operation that cut them off."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nnreport.facts import Node
from nnreport.inspector.tracing.names import ZERO_GRADIENT


def find_cuts(
    nodes: Sequence[Node], soft: Collection[int], left: Collection[int], none: Collection[str], zero: Collection[str]
) -> tuple[list[int], dict[str, list[str]]]:
    """(ids of the cutting nodes, id as text -> the parameters that it cuts off).

    A parameter's cut is the last one on its way: inside a ``no_grad`` block of ten layers, the tenth. Cuts whose result reaches
    no output explain nothing and are passed over. Masks (``soft``: comparisons) and values that leave torch (``item``) count only
    where nothing else explains a parameter.

    Args:
        nodes: all nodes in order of execution; a node's id is its index.
        soft: comparisons whose input had a gradient.
        left: nodes whose values leave torch (``item``, ``numpy``): what becomes of them is not seen.
        none: parameters that no path of the autograd graph leads to.
        zero: parameters whose gradient is exactly zero; only operations with a zero derivative (``round``) explain those, and
            only where there is no way around them.
    """
    if not none and not zero:
        return [], {}
    found: dict[int, list[str]] = {}
    hard = Frontier(nodes, {node.id for node in nodes if node.cut and node.outputs})
    loose: Frontier | None = None
    for name in none:
        readers = [node.id for node in nodes if name in node.parameters]
        cuts = hard.cuts(readers)
        if not cuts:
            loose = loose or Frontier(nodes, {node.id for node in nodes if node.cut} | set(soft), left)
            cuts = loose.cuts(readers)
        for cut in cuts:
            found.setdefault(cut, []).append(name)
    for name in zero:
        readers = [node.id for node in nodes if name in node.parameters]
        cuts = {cut for cut in hard.cuts(readers) if nodes[cut].name in ZERO_GRADIENT}
        if cuts and not any(hard.way_out[reader] for reader in readers):
            for cut in cuts:
                found.setdefault(cut, []).append(name)
    return sorted(found), {str(cut): found[cut] for cut in sorted(found)}


class Frontier:
    """For every node the cuts that its gradient would have to come through.

    One walk from the end to the beginning; sets are shared where they are equal.
    """

    def __init__(self, nodes: Sequence[Node], cutting: set[int], left: Collection[int] = ()) -> None:
        readers: list[list[int]] = [[] for _ in nodes]
        for node in nodes:
            for source in set(node.inputs):
                if 0 <= source < len(nodes):
                    readers[source].append(node.id)
        empty: frozenset[int] = frozenset()
        self.ahead: list[frozenset[int]] = [empty] * len(nodes)
        """First cuts met on the way from a node to the outputs, each moved on to the last one of its dead stretch."""
        self.way_out: list[bool] = [False] * len(nodes)
        """An output can be reached without meeting a cut."""
        self.live: list[bool] = [False] * len(nodes)
        """An output, or a value that leaves torch, depends on it."""
        dead: list[frozenset[int]] = [empty] * len(nodes)
        """Cuts further on within the stretch without gradient."""
        for node in reversed(nodes):
            i, later = node.id, readers[node.id]
            self.live[i] = node.kind == "output" or not node.outputs or i in left or any(self.live[j] for j in later)
            dead[i] = empty.union(*(dead[j] for j in later if nodes[j].kind == "op" and not nodes[j].differentiable))
            if i in cutting and self.live[i]:
                self.ahead[i] = dead[i] = dead[i] or frozenset({i})
            elif i not in cutting:
                self.ahead[i] = empty.union(*(self.ahead[j] for j in later))
                self.way_out[i] = node.kind == "output" or any(self.way_out[j] for j in later)

    def cuts(self, readers: Collection[int]) -> set[int]:
        """The cuts of a parameter that these nodes read."""
        return set().union(*(self.ahead[reader] for reader in readers)) if readers else set()
