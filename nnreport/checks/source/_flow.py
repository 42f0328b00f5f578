"""Does a line of the user's stand between trainable values and the output? The recorded graph knows; without one, the names
tell.
"""

from __future__ import annotations

import ast

from nnreport.checks.astwalk import Code, self_attribute
from nnreport.facts import Facts

STATE_NAMES = (
    "target",
    "teacher",
    "ema",
    "momentum",
    "hidden",
    "memory",
    "mem",
    "state",
    "prev",
    "cache",
    "key",
    "stop",
    "old",
    "ref",
    "log",
)
"""What a detached value is called where cutting it is meant: targets, teachers, states carried from step to step, logs."""


def cut_parameters(facts: Facts, code: Code, node: ast.AST) -> list[str]:
    """Trainable parameters that lose their gradient to an operation on the lines of a syntax node."""
    if facts.graph is None or facts.reach is None:
        return []
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
    lost: dict[str, None] = {}
    for each in facts.graph.nodes:
        where = each.location
        if where is not None and where.path == code.file.path and first <= where.line <= last:
            lost |= dict.fromkeys(facts.reach.cut_parameters.get(str(each.id), ()))
    return list(lost)


def detached_parameters(facts: Facts, code: Code, node: ast.expr) -> list[str]:
    """Parameters that ``self.weight.data`` or ``self.fc.weight.detach()`` names, if no gradient reaches them."""
    attribute = self_attribute(node)
    if not attribute or facts.reach is None or not code.owner.paths:
        return []
    names = [f"{path}.{attribute}" if path else attribute for path in code.owner.paths]
    return [name for name in names if name in facts.reach.none]


def traced(facts: Facts) -> bool:
    """Did a backward pass tell what gets a gradient?"""
    return facts.graph is not None and facts.reach is not None and facts.graph.complete


class Names:
    """Which local names of a function hold what a layer made, and which of those a layer reads or the function returns."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.made: set[str] = set()
        self.read: set[str] = set()
        for node in code.nodes:
            if (
                isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
                and node.value is not None
                and self.from_layer(node.value)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.made |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
            elif isinstance(node, ast.Call) and is_layer(node):
                self.read |= {each.id for part in node.args for each in ast.walk(part) if isinstance(each, ast.Name)}
            elif isinstance(node, ast.Return) and node.value is not None:
                self.read |= {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}

    def from_layer(self, node: ast.AST) -> bool:
        """Does an expression hold the output of a layer?"""
        return any(
            (isinstance(each, ast.Call) and is_layer(each)) or (isinstance(each, ast.Name) and each.id in self.made)
            for each in ast.walk(node)
        )

    def carries_on(self, node: ast.AST) -> bool:
        """Is the value of an expression what a further layer reads, or what is returned?"""
        for outer in self.code.file.around(node):
            if isinstance(outer, ast.BinOp):
                return False  # x + (q - x).detach(), x / x.detach().norm(): the other operand may carry the gradient
            if isinstance(outer, ast.Call) and is_layer(outer):
                return True
            if isinstance(outer, ast.Return):
                return True
            if isinstance(outer, ast.Assign):
                names = [target.id for target in outer.targets if isinstance(target, ast.Name)]
                return any(name in self.read and not any(word in name.lower() for word in STATE_NAMES) for name in names)
            if isinstance(outer, ast.stmt):
                return False
        return False


def is_layer(call: ast.Call) -> bool:
    """``self.layer(...)`` or ``self.layers[i](...)``."""
    return bool(self_attribute(call.func))
