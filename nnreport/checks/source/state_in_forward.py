"""state-in-forward: memory grows with every call

## Looks for
Tensors appended to a list or put under new keys of a dict on ``self`` in code that ``forward`` reaches, with nothing that
empties it there.

## Why it matters
Each kept tensor holds its whole autograd graph, so a training run loses as much memory per step as one forward takes, until
the device is full. It also makes the model differ from itself: state that is neither parameter nor buffer is in no
checkpoint.

## How to mend it
Return the values, or empty the list at the start of ``forward`` and keep ``x.detach()``; collect from outside with a forward
hook.

## Quiet when
* the same code empties or replaces the container (``self.maps = []``, ``.clear()``, ``del``, ``pop``), or another method of
  the class does;
* the container is a ``deque`` with ``maxlen``;
* it happens only under a switch of the model's own (``if self.record:``) or a condition on its length;
* what is kept is a plain number (``.item()``, ``len(...)``, ``float(...)``), or is stored under a fixed key.

## Known limits
A container emptied from outside (a training loop that clears ``model.maps``) is reported.

## Sources
torch-audit and mldoct rules on kept graphs; PyTorch FAQ “My model reports cuda runtime error: out of memory”.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, UsedClass, self_attribute, sources
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("source",)
GROWING = frozenset({"append", "extend", "insert", "add", "appendleft"})
SHRINKING = frozenset({"clear", "pop", "popleft", "popitem", "remove"})
NUMBERS = frozenset({"item", "tolist", "len", "float", "int", "str", "size", "numel", "time", "perf_counter"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per container."""
    known = sources(facts)
    seen: set[tuple[int, str]] = set()
    for code in known.forward:
        for node, attribute, value in growths(code):
            key = (id(code.owner), attribute)
            if key in seen or is_number(value) or guarded(code, node):
                continue
            if any(empties(method, attribute) for cls in known.bases(code.owner) for method in cls.methods.values()):
                continue
            if bounded(known.bases(code.owner), attribute):
                continue
            seen.add(key)
            yield Finding(
                check="state-in-forward",
                severity=SEVERITY,
                message=(
                    f"{code.name} adds to self.{attribute} at every call and nothing empties it: memory grows with every step"
                ),
                module=code.owner.module,
                location=code.location(node),
                evidence={"attribute": attribute, "emptied": False},
                why=(
                    "Each tensor kept holds the whole graph of its forward pass, so every step loses as much memory as "
                    "one forward takes."
                ),
                fix=f"Return the value instead, or empty self.{attribute} at the start of forward and keep value.detach().",
                code=f"self.{attribute}.clear()  # first line of forward",
            )


def growths(code: Code) -> Iterator[tuple[ast.AST, str, ast.expr | None]]:
    """(node, attribute of self, what is added) of everything that makes a container longer."""
    for node in code.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in GROWING and node.args:
            attribute = self_attribute(node.func.value)
            if attribute and "." not in attribute:
                yield node, attribute, node.args[-1]
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.value, ast.List | ast.Tuple):
            attribute = self_attribute(node.target)
            if attribute and "." not in attribute:
                yield node, attribute, node.value


def is_number(value: ast.expr | None) -> bool:
    """Is what is kept a plain number or text rather than a tensor?"""
    if value is None or isinstance(value, ast.Constant | ast.JoinedStr):
        return True
    if isinstance(value, ast.Call):
        called = value.func
        return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in NUMBERS
    return isinstance(value, ast.Attribute) and value.attr in ("shape", "device", "dtype")


def guarded(code: Code, node: ast.AST) -> bool:
    """Does it happen only under a switch of the model's own, or up to a length?"""
    for test in code.tests(node):
        switches = {self_attribute(each) for each in ast.walk(test) if isinstance(each, ast.Attribute)} - {"", "training"}
        if switches or "len(" in ast.unparse(test):
            return True
    return False


def empties(method: ast.AST, attribute: str) -> bool:
    """Does a method (not the constructor) replace or shrink the container?"""
    if getattr(method, "name", "") == "__init__":
        return False
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and any(
            self_attribute(t) == attribute and isinstance(t, ast.Attribute) for t in node.targets
        ):
            return True
        if isinstance(node, ast.Delete) and any(self_attribute(target) == attribute for target in node.targets):
            return True
        shrinks = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SHRINKING
        if shrinks and self_attribute(node.func.value) == attribute:  # type: ignore[attr-defined]
            return True
    return False


def bounded(bases: list[UsedClass], attribute: str) -> bool:
    """Is it a ``deque`` with a ``maxlen``?"""
    return any(
        isinstance(node, ast.Assign)
        and any(self_attribute(target) == attribute for target in node.targets)
        and isinstance(node.value, ast.Call)
        and any(each.arg == "maxlen" for each in node.value.keywords)
        for cls in bases
        for node in ast.walk(cls.node)
    )
