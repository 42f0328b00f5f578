"""Which parameters have a good reason to get no gradient."""

from __future__ import annotations

from nnreport.checks.layers import layers
from nnreport.checks.lookup import lookup
from nnreport.checks.walk import SOFTMAXES, Walk
from nnreport.facts import Facts, Node

ATTENTION = "scaled_dot_product_attention"


def idle(facts: Facts, name: str) -> bool:
    """Its module was not called in the recorded forwards and nothing read its weight: unused, or an expert not chosen."""
    module = lookup(facts).module(name.rpartition(".")[0])
    if module is None or not module.path or facts.graph is None:
        return False
    if module.calls:  # in evaluation; LayerDrop may have left it out in training
        return bool(facts.graph.train_calls) and not module.train_calls and module.path not in facts.graph.train_calls
    return not module.functional and name not in layers(facts).reads


def alone_before_softmax(facts: Facts) -> frozenset[str]:
    """Parameters all of whose influence passes through a softmax (or attention) over a single entry, which is constant."""
    graph = layers(facts).walk
    if graph is None:
        return frozenset()
    constant = [node for node in graph.operations(SOFTMAXES | {ATTENTION}) if _single(node)]
    return _before(graph, constant)


def _single(node: Node) -> bool:
    if node.name == ATTENTION:
        return len(node.reads) > 1 and len(node.reads[1].shape) > 1 and node.reads[1].shape[-2] == 1
    dim = node.attributes.get("dim", -1)
    shape = node.outputs[0].shape if node.outputs else []
    return bool(shape) and isinstance(dim, int) and -len(shape) <= dim < len(shape) and shape[dim] == 1


def _before(graph: Walk, barriers: list[Node]) -> frozenset[str]:
    """Names of the parameters from which no path reaches an output without passing one of the barriers."""
    if not barriers:
        return frozenset()
    blocked = {node.id for node in barriers}
    open_, stack = set(), [node.id for node in graph.outputs]
    while stack:
        i = stack.pop()
        if i in open_ or i not in graph.nodes:
            continue
        if i in blocked:  # attention's values pass, its queries and keys do not
            stack += graph.nodes[i].inputs[2:] if graph.name(graph.nodes[i]) == ATTENTION else []
            continue
        open_.add(i)
        stack += graph.nodes[i].inputs
    through: set[str] = set()
    direct: set[str] = set()
    for node in graph.graph.nodes:
        (direct if node.id in open_ else through).update(node.parameters)
    return frozenset(through - direct)
