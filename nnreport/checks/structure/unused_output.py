"""unused-output: something is computed and thrown away

## Looks for
A call whose result reaches no output of the model: a layer called for nothing (``self.norm(x)`` on a line of its own), an
activation that was meant to change its argument (``F.relu(x)`` without ``x =``), a layer with weights whose result is never
read again.

## Why it matters
The step is not part of the network, though it stands in it: the normalisation or activation that one believes to be there is
not.

## How to mend it
Assign the result (``x = self.norm(x)``), or delete the line.

## Quiet when
* the result is kept on ``self`` (an auxiliary loss, a statistic, attention maps) or changed a tensor in place;
* it is one of several results of a module and the caller took another (pooled outputs, attention weights, hidden states);
* it carries no weights and was assigned to a name (sizes, masks, figures for a log);
* its weights get a gradient in training (auxiliary heads), or the code is an installed package's.

## Known limits
A layer whose result only feeds a check (``assert``) is reported.

## Sources
Reachability over the recorded graph; neurarch's unreachable-node rule is its static neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup
from nnreport.checks.structure.unused_module import gradient_missing
from nnreport.checks.walk import ACTIVATIONS, AFFINE, DROPOUT, NORMS, Walk, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph", "tree")
LAYERS = ACTIVATIONS | AFFINE | DROPOUT | NORMS | {"softmax", "log_softmax", "clamp", "embedding"}
"""Operations of which the result is the point."""
STATEMENT = re.compile(r"^(?:self\.\w+|F\.\w+|torch\.\w+|nn\.functional\.\w+|\w+\.\w+)\s*[(\[].*\)\s*(?:#.*)?$")
"""A line that is nothing but a call."""
ASSIGNMENT = re.compile(r"^\s*([\w\s,.*()\[\]]+?)\s*(?::[^=]+)?=(?!=)")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line."""
    assert facts.graph is not None
    if not facts.graph.complete or facts.graph.truncated:
        raise NotApplicable("the recorded forward is not whole")
    graph, named = walk(facts.graph), lookup(facts)
    if not graph.outputs:
        raise NotApplicable("the output holds no tensor")
    missing = gradient_missing(facts)
    seen: set[tuple[str, int]] = set()
    for node in graph.operations():
        where = node.location
        if graph.reaches_output(node) or graph.readers(node) or node.inplace or where is None or not where.user:
            continue
        thrown = statement(where.text) and graph.name(node) in LAYERS
        if (where.path, where.line) in seen or not (thrown or wasted(facts, graph, named, node, missing)):
            continue
        seen.add((where.path, where.line))
        yield finding(named, graph, node, thrown)


def statement(text: str) -> bool:
    """Is the line nothing but a call, with its result left lying?"""
    return (
        bool(STATEMENT.match(text))
        and not ASSIGNMENT.match(text)
        and text.count("(") == text.count(")")
        and "inplace" not in text
    )


def wasted(facts: Facts, graph: Walk, named: Lookup, node: Node, missing: dict[str, bool]) -> bool:
    """Is it the end of a layer with weights, of which nobody reads the result?"""
    weights = [name for name in node.parameters if name in missing]
    if not weights or not all(missing[name] for name in weights):
        return False
    if node.location is not None:
        kept = ASSIGNMENT.match(node.location.text)
        if kept and "self." in kept[1]:
            return False
    call = named.calls.get(node.call) if node.call is not None else None
    while call is not None and call.module:
        if len(call.outputs) > 1:
            return False
        call = named.calls.get(call.parent) if call.parent is not None else None
    return graph.name(node) in LAYERS


def finding(named: Lookup, graph: Walk, node: Node, thrown: bool) -> Finding:
    what = (
        named.label(node.module)
        if node.parameters or named.kind(node.module)
        else f"{graph.name(node)} in {named.label(node.module)}"
    )
    text = node.location.text if node.location else ""
    name = text.partition("(")[2].split(",")[0].strip(" )") if thrown else ""
    return Finding(
        check="unused-output",
        severity=SEVERITY,
        message=f"the result of {what} is {'left lying' if thrown else 'never read'}: it reaches no output of the model",
        module=node.module,
        location=node.location,
        evidence={"readers": 0, "operation": graph.name(node), "parameters": len(node.parameters)},
        why="This step is not part of what the network computes, though it stands in forward.",
        fix="Assign the result and use it, or delete the line.",
        code=f"{name} = {text}" if thrown and name.isidentifier() else "",
        node=node.id,
    )
