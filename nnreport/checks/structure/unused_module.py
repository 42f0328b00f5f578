"""unused-module: a layer that is never called

## Looks for
A submodule with trainable parameters that no forward calls, in evaluation or training mode, whose parameters no operation
reads and no gradient reaches.

## Why it matters
It is dead weight in every checkpoint, and often the sign of a slip: the decoder's last stage calls ``dec2`` twice and
``dec1`` never. Distributed training stops at it (``find_unused_parameters``).

## How to mend it
Call it, or delete it.

## Quiet when
* its weights are used functionally (``F.linear(x, self.fc.weight)``, ``nn.MultiheadAttention.out_proj``) or tied to a used
  layer's;
* it is called in training mode only (auxiliary heads), or on other batches (experts that the router did not choose);
* forward picks one of several by a value (``self.heads[task]``);
* the class uses it in another method (``decode``, ``training_step``) or on a branch that this input does not take;
* it is frozen: a teacher, an averaged copy.

## Known limits
Inside an installed package's class it is a note at most: those serve several tasks with one class. An expert that no router
can ever reach is not found.

## Sources
torch-audit TA500; discuss.pytorch.org/t/17826; measured: ``nn.MultiheadAttention.out_proj`` is never called as a module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import self_attribute, sources
from nnreport.checks.lookup import Lookup, lookup, spread_names
from nnreport.checks.walk import walk
from nnreport.facts import Facts, Module
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("tree", "graph")
ROUTING = frozenset(
    {"topk", "argmax", "multinomial", "nonzero", "where", "one_hot", "argsort", "sort", "bincount", "gumbel_softmax"}
)
"""Operations by which a router picks among its experts."""
SEPARATE = 3
"""So many unused layers of one owner are a finding each; more are one."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per unused layer; equal ones, and many of one owner, together."""
    assert facts.tree is not None
    assert facts.graph is not None
    if not facts.graph.complete or facts.graph.truncated:
        raise NotApplicable("the recorded forward is not whole")
    named = lookup(facts)
    used = used_paths(facts, named)
    groups: dict[tuple[str, str], list[Module]] = {}
    for module in facts.tree.modules:
        parent = module.parent or ""
        if not module.path or module.path in used or module.total == 0 or module.trainable == 0 or not module.registered:
            continue
        if parent and parent not in used and named.modules[parent].total:
            continue  # the parent is reported
        if excused(facts, named, module, used):
            continue
        groups.setdefault((owner(named, module), module.signature or module.path), []).append(module)
    by_owner: dict[str, list[list[Module]]] = {}
    for (holder, _), group in groups.items():
        by_owner.setdefault(holder, []).append(group)
    merged: dict[tuple[str, ...], list[tuple[str, list[Module]]]] = {}
    for holder, several in by_owner.items():
        if len(several) > SEPARATE:
            several = [[module for group in several for module in group]]
        for group in several:
            kind = named.modules[holder].signature if holder in named.modules else ""
            names = [module.path.removeprefix(holder) for module in group]
            merged.setdefault((kind or holder, *names), []).append((holder, group))
    for equal in merged.values():
        yield finding(facts, named, equal[0][0], [module for _, group in equal for module in group])


def finding(facts: Facts, named: Lookup, holder: str, group: list[Module]) -> Finding:
    first = group[0]
    paths = [module.path for module in group]
    count = sum(module.total for module in group)
    severity: Severity = "note" if named.settled(holder) else "warning"
    return Finding(
        check="unused-module",
        severity=severity,
        message=(
            f"{spread_names([named.label(path) for path in paths])} {'is' if len(paths) == 1 else 'are'} never called: "
            f"{count:,} parameters of {facts.tree.total if facts.tree else count:,} get no gradient"
        ),
        module=first.path,
        modules=paths,
        location=named.made_line(holder, first.path),
        evidence={"calls": 0, "modules": len(paths), "parameters": count},
        why=(
            "It learns nothing, takes its place in every checkpoint and optimizer, and may be the layer that was "
            "meant where another is called."
        ),
        fix=f"Call {first.path.rpartition('.')[2]} in the forward of {named.label(holder)}, or delete it.",
    )


def used_paths(facts: Facts, named: Lookup) -> set[str]:
    """Modules that were called or whose parameters were read, with all that stand above them."""
    assert facts.tree is not None
    assert facts.graph is not None
    read = {name for node in facts.graph.nodes for name in node.parameters}
    tied = {name for parameter in facts.tree.parameters if {parameter.name, *parameter.tied} & read for name in parameter.tied}
    used = {""}
    used |= {module.path for module in facts.tree.modules if module.calls or module.train_calls or module.functional}
    used |= {path for path, calls in facts.graph.train_calls.items() if calls}
    used |= {name.rpartition(".")[0] for name in read | tied}
    trained = {name for name, none in gradient_missing(facts).items() if not none}
    used |= {name.rpartition(".")[0] for name in trained}
    for path in list(used):
        used.update(named.ancestors(path))
    for module in facts.tree.modules:
        if module.path in used:
            used.update(module.aliases)
    return used


def gradient_missing(facts: Facts) -> dict[str, bool]:
    """Trainable parameter -> did it get no gradient: from the probe where it ran, else from one backward pass."""
    if facts.probe is not None and facts.probe.parameters:
        return {series.name: series.none_steps >= series.steps for series in facts.probe.parameters if series.steps}
    if facts.reach is None or facts.tree is None or not facts.reach.loss:
        return {}
    none = set(facts.reach.none)
    return {parameter.name: parameter.name in none for parameter in facts.tree.parameters if parameter.trainable}


def owner(named: Lookup, module: Module) -> str:
    """The nearest module above whose own forward would call it: containers of torch call nothing by choice."""
    for path in named.ancestors(module.path):
        if named.kind(path) not in ("ModuleList", "ModuleDict", "Sequential"):
            return path
    return ""


def excused(facts: Facts, named: Lookup, module: Module, used: set[str]) -> bool:
    """Is there a good reason that it was not called?"""
    parent = named.modules.get(module.parent or "")
    holder = owner(named, module)
    several = parent is not None and parent.kind in ("ModuleList", "ModuleDict") and any(each in used for each in parent.children)
    if several and routes(facts, holder):
        return True
    top = module.path[len(holder) + 1 if holder else 0 :].partition(".")[0]
    container = f"{holder}.{top}" if holder else top
    if container != module.path and container in used:
        return picked(facts, holder, top)
    return mentioned_elsewhere(facts, holder, top)


def routes(facts: Facts, holder: str) -> bool:
    """Does the owner choose at run time, with an operation that a router uses?"""
    assert facts.graph is not None
    near = (node.module for node in walk(facts.graph).operations(ROUTING))
    return any(holder in (path, path.rpartition(".")[0]) for path in near)


def picked(facts: Facts, holder: str, attribute: str) -> bool:
    """Does the owner's forward pick from the container by a value (``self.heads[task]``) rather than walk through it?"""
    for code in sources(facts).forward:
        if holder not in code.owner.paths:
            continue
        loops = {
            each.id
            for node in code.nodes
            if isinstance(node, ast.For)
            for each in ast.walk(node.target)
            if isinstance(each, ast.Name)
        }
        for node in code.nodes:
            if not isinstance(node, ast.Subscript) or self_attribute(node.value) != attribute:
                continue
            names = {each.id for each in ast.walk(node.slice) if isinstance(each, ast.Name)}
            if not isinstance(node.slice, ast.Slice | ast.Constant | ast.UnaryOp) and not (names and names <= loops | {"self"}):
                return True
    return False


def mentioned_elsewhere(facts: Facts, holder: str, attribute: str) -> bool:
    """Does a method of the owner's class, other than its constructor, speak of ``self.attribute``?"""
    known = sources(facts)
    for cls in known.classes:
        if holder not in cls.paths:
            continue
        for each in known.bases(cls):
            for name, method in each.methods.items():
                if name != "__init__" and any(
                    isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Load)
                    for node in ast.walk(method)
                ):
                    return True
    return False
