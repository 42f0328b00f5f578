"""detach-in-forward: a line of forward stops the gradient

## Looks for
``.detach()``, ``.data``, ``.item()``, ``torch.no_grad()`` or ``torch.tensor(x)`` in code that ``forward`` reaches, where it
stands between trainable parameters and the output, so that those get no gradient.

## Why it matters
What lies before the line stays at its random start; what lies after learns around it, and often well enough that the loss
gives nothing away: a net with a detach in its middle reached 100 % accuracy on easy data.

## How to mend it
Remove the call. If stopping the gradient is meant, say so where it can be seen: ``requires_grad_(False)`` on the frozen part.

## Quiet when
* a backward pass showed that nothing trainable lost its gradient: straight-through estimators, vector quantisation, targets,
  states carried between steps, logging, statistics;
* it is a step on the way to NumPy (``x.detach().numpy()``): ``numpy-in-forward`` speaks of that;
* the part before it is frozen (``requires_grad`` is False) or reached by another path;
* without a trace (``--no-exec``): values named as targets, states or logs, a term of a sum, and ``no_grad`` blocks.

## Known limits
Without a trace the names decide, and a detach on purpose under an ordinary name is reported. A detach that weakens a gradient
without stopping it is not seen.

## Sources
Measured: ``a.weight`` and ``a.bias`` without gradient, accuracy 1.0 all the same; the autograd walk of ``graph-cut`` finds
the same cut from the other side.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, sources
from nnreport.checks.lookup import spread_names
from nnreport.checks.source._flow import Names, cut_parameters, detached_parameters, traced
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("source",)
GUARDS = frozenset({"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line that cuts."""
    seen: set[tuple[str, int]] = set()
    for code in sources(facts).forward:
        names = Names(code)
        for node, what, value in cuts(code):
            place = (code.file.path, node.lineno)  # type: ignore[attr-defined]
            if place in seen or on_the_way_to_numpy(code, node):
                continue
            lost = cut_parameters(facts, code, node)
            if value is not None:
                lost += detached_parameters(facts, code, value)
            if not lost:
                if traced(facts) or value is None or not (names.from_layer(value) and names.carries_on(node)):
                    continue
                if what in (".item()", ".data") and not names.from_layer(value):
                    continue
            seen.add(place)
            yield finding(code, node, what, list(dict.fromkeys(lost)))


def cuts(code: Code) -> Iterator[tuple[ast.AST, str, ast.expr | None]]:
    """(node, how it is called, the value that is cut off; None for a block) of every cut in a function."""
    for decorator in code.function.decorator_list:
        if code.file.resolve(decorator.func if isinstance(decorator, ast.Call) else decorator) in GUARDS:
            yield code.function, f"@{ast.unparse(decorator)}", None
    for node in code.nodes:
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and code.file.resolve(call.func) in GUARDS:
                    yield node, f"with {ast.unparse(call)}", None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("detach", "detach_") and not node.args:
                yield node, f".{node.func.attr}()", node.func.value
            elif node.func.attr == "item" and not node.args:
                yield node, ".item()", node.func.value
            elif code.file.resolve(node.func) == "torch.tensor" and node.args and not isinstance(node.args[0], ast.Constant):
                yield node, "torch.tensor(...)", node.args[0]
        elif is_data(node):
            yield node, ".data", node.value  # type: ignore[attr-defined]


def on_the_way_to_numpy(code: Code, node: ast.AST) -> bool:
    """``x.detach().cpu().numpy()`` is one fault, and ``numpy-in-forward`` names it."""
    return any(isinstance(outer, ast.Attribute) and outer.attr == "numpy" for outer in code.file.around(node))


def is_data(node: ast.AST) -> bool:
    """``x.data``, read; ``self.data`` is an attribute of the user's."""
    if not isinstance(node, ast.Attribute) or node.attr != "data" or not isinstance(node.ctx, ast.Load):
        return False
    return not (isinstance(node.value, ast.Name) and node.value.id == "self")


def finding(code: Code, node: ast.AST, what: str, lost: list[str]) -> Finding:
    message = f"{what} in {code.name} stops the gradient"
    message += (
        f": {len(lost)} trainable parameter(s) before it get none ({spread_names(lost)})"
        if lost
        else " of what the layers before it made"
    )
    return Finding(
        check="detach-in-forward",
        severity=SEVERITY,
        message=message,
        module=code.owner.module,
        location=code.location(node),
        evidence={"operation": what, "parameters_cut_off": len(lost) if lost else None},
        why=(
            "What lies before this line never learns; what lies after it learns around it, so that the loss "
            "alone does not show it."
        ),
        fix=f"Remove {what}. If the part before it shall not learn, freeze it with requires_grad_(False).",
    )
