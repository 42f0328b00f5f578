"""graph-cut: the gradient ends in the middle of the network

## Looks for
An operation before which no trainable parameter gets a gradient while parameters after it do: ``detach``, ``argmax``,
``round``, a trip through NumPy, ``torch.tensor(x)``, a block under ``no_grad``.

## Why it matters
Everything before it stays at its random start. What lies after learns from random features, often well enough that the loss
looks healthy.

## How to mend it
Take the operation out, or replace it by one that has a gradient (softmax or Gumbel-softmax for argmax, a straight-through
estimator for round). If the part before shall not learn, freeze it: ``requires_grad_(False)``.

## Quiet when
* the part before is frozen, or gets its gradient by another path (straight-through estimators, targets, auxiliary losses);
* only some parameters before the operation are without a gradient: then ``no-gradient`` names those.

## Known limits
A block under ``torch.no_grad()`` whose parameters were left trainable may be meant as frozen: it is a warning.
Reinforcement-learning models that are trained through a log-probability outside of forward are reported.

## Sources
Measured: a detach between two layers leaves ``a.weight`` and ``a.bias`` without gradient while accuracy reaches 1.0. No
published tool names the operation.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup, spread_names
from nnreport.checks.walk import Walk, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("graph", "reach", "tree")
STEPS = frozenset(
    [
        "argmax",
        "argmin",
        "round",
        "floor",
        "ceil",
        "sign",
        "trunc",
        "heaviside",
        "bernoulli",
        "multinomial",
        "one_hot",
        "topk",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
    ]
)
"""Operations whose derivative is zero or does not exist."""
LEAVES = frozenset(["detach", "data", "item", "numpy", "tolist", "tensor", "from_numpy", "as_tensor"])
"""Operations that take a value out of the graph."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per cutting operation; those of one block under ``no_grad`` together."""
    assert facts.graph is not None
    assert facts.reach is not None
    assert facts.tree is not None
    graph, named = walk(facts.graph), lookup(facts)
    none = set(facts.reach.none)
    trainable = {name for parameter in facts.tree.parameters if parameter.trainable for name in (parameter.name, *parameter.tied)}
    reached = any(parameter.trainable and parameter.name not in none for parameter in facts.tree.parameters)
    lost: dict[str, tuple[Node, dict[str, None]]] = {}
    for cut in facts.reach.cuts:
        node = graph.nodes.get(cut)
        parameters = facts.reach.cut_parameters.get(str(cut), [])
        if node is None or not parameters:
            continue
        before = {
            name for i in graph.upstream(node) if i in graph.nodes for name in graph.nodes[i].parameters if name in trainable
        }
        if before - none:
            continue
        key = "block" if quiet_block(graph, node) else str(cut)
        _, names = lost.setdefault(key, (node, {}))
        names.update(dict.fromkeys(parameters))
    for node, names in lost.values():
        yield finding(facts, graph, named, node, list(names), reached)


def quiet_block(graph: Walk, node: Node) -> bool:
    """Is it an ordinary operation that ran with gradients switched off?"""
    return graph.name(node) not in STEPS | LEAVES


def finding(facts: Facts, graph: Walk, named: Lookup, node: Node, lost: list[str], reached: bool) -> Finding:
    assert facts.tree is not None
    name = graph.name(node)
    block = quiet_block(graph, node)
    severity: Severity = "warning" if block or (node.location is not None and not node.location.user) else "error"
    what = (
        f"{name} in {named.label(node.module)} runs without gradients"
        if block
        else f"{name} in {named.label(node.module)} ends the gradient"
    )
    after = "while those after it do" if reached else "and nothing after it has one either"
    total = sum(parameter.trainable for parameter in facts.tree.parameters)
    return Finding(
        check="graph-cut",
        severity=severity,
        message=f"{what}: {len(lost)} of {total} trainable parameters get none ({spread_names(lost)}), {after}",
        module=node.module or common_parent([name.rpartition(".")[0] for name in lost]),
        modules=list(dict.fromkeys(name.rpartition(".")[0] for name in lost)),
        location=named.node_line(node),
        evidence={"operation": name, "cut_off": len(lost), "trainable": total},
        why=(
            "What lies before this operation stays at its random start; what lies after learns around it, so the "
            "loss may look well."
        ),
        fix=advice(name, block),
        code="for p in self.backbone.parameters():\n    p.requires_grad_(False)  # if it is meant" if block else "",
        node=node.id,
    )


def common_parent(paths: list[str]) -> str:
    """The deepest module that holds them all: what a cut in the root's own forward cuts off."""
    parts = [path.split(".") for path in paths]
    shared = []
    for step in zip(*parts, strict=False):
        if len(set(step)) > 1:
            break
        shared.append(step[0])
    return ".".join(shared)


def advice(name: str, block: bool) -> str:
    if block:
        return "Take the no_grad away; or, if this part shall not learn, say so with requires_grad_(False)."
    if name in ("argmax", "argmin", "one_hot", "topk", "multinomial"):
        return "Choose softly: weight by a softmax (or F.gumbel_softmax), or multiply the chosen branch by its probability."
    if name in STEPS:
        return "Pass the gradient straight through: x + (hard(x) - x).detach()."
    return f"Take {name} out, or stay in torch with an operation that has a gradient."
