"""Can the value that an operation reads be exactly zero? From the graph: what computed it, and whether an epsilon was added."""

from __future__ import annotations

from nnreport.checks.walk import CAST, LAYOUT, POOLS, RELUS, SELECT, Walk
from nnreport.facts import Node, Range

SAME = LAYOUT | CAST | SELECT
MAGNITUDES = RELUS | frozenset({"abs", "absolute", "square"})
"""Never negative, and zero for some inputs."""
SUMS = frozenset({"sum", "mean", "nanmean", "cumsum", "amax", "amin", "max", "min", "nansum"}) | POOLS
ROOTS = frozenset({"sqrt"})


def can_be_zero(graph: Walk, node: Node | None, depth: int = 8) -> bool:
    """The value is computed so that ordinary inputs make it exactly zero: a magnitude, an even power, a sum or root of such, with
    no epsilon and no clamp on the way."""
    if node is None or node.kind != "op" or depth == 0:
        return False
    name = graph.name(node)
    if name in MAGNITUDES:
        return True
    if name == "pow":
        exponent = node.attributes.get("exponent")
        return isinstance(exponent, (int, float)) and exponent > 0 and exponent % 2 == 0
    if name == "mul":
        return len(node.inputs) == 2 and node.inputs[0] == node.inputs[1]
    if name in SUMS | ROOTS | SAME:
        return can_be_zero(graph, graph.source(node, 0, SAME), depth - 1)
    if name == "add":
        if len(node.inputs) != 2:
            return False  # a constant was added: an epsilon
        return all(can_be_zero(graph, graph.source(node, i, SAME), depth - 1) for i in range(2))
    return False


def all_of_a_row_zero(graph: Walk, node: Node | None) -> bool:
    """A sum or norm over the outputs of ReLUs: zero where none fires."""
    if (
        node is None
        or node.kind != "op"
        or graph.name(node) not in SUMS | {"norm", "linalg_norm", "vector_norm", "linalg_vector_norm"}
    ):
        return False
    source = graph.source(node, 0, SAME)
    return source is not None and source.kind == "op" and graph.name(source) in RELUS


def is_mask(held: Range) -> bool:
    """All values are 0 or 1: the logarithm of a mask is −inf on purpose."""
    share = 1 - held.zeros
    return held.minimum == 0 and held.maximum == 1 and abs(held.mean - share) < 1e-6
