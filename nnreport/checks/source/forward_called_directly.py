"""forward-called-directly: hooks are skipped

## Looks for
``self.layer.forward(x)`` in code that ``forward`` reaches, where ``self.layer(x)`` was meant.

## Why it matters
``module(x)`` runs the hooks around ``forward``: spectral and weight norm, FSDP and DDP, quantisation, profilers and this
report all work by them. ``module.forward(x)`` goes past them in silence.

## How to mend it
Call the module.

## Quiet when
* it is ``super().forward(x)`` or ``Base.forward(self, x)``, the way to extend a base;
* what is called is no attribute of ``self``.

## Known limits
An attribute that is no module but has a ``forward`` of its own (a plain helper object) is reported where the tree does not
say better.

## Sources
dslinter W5516 (net.forward); PyTorch documentation of ``Module.__call__``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, self_attribute, sources
from nnreport.checks.lookup import Lookup, lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("source",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per class, with all its lines."""
    named = lookup(facts)
    found: dict[int, list[tuple[Code, ast.Call, str]]] = {}
    for code in sources(facts).forward:
        loops = loop_variables(code)
        for call, _ in code.calls():
            if not isinstance(call.func, ast.Attribute) or call.func.attr != "forward":
                continue
            value = call.func.value
            attribute = self_attribute(value) or (loops.get(value.id, "") if isinstance(value, ast.Name) else "")
            if attribute and is_module(named, code, attribute):
                found.setdefault(id(code.owner), []).append((code, call, attribute))
    for places in found.values():
        code, call, attribute = places[0]
        names = list(dict.fromkeys(each for _, _, each in places))
        called = ast.unparse(call.func)
        path = ".".join(part for part in (code.owner.module, attribute) if part) if code.owner.paths else None
        yield Finding(
            check="forward-called-directly",
            severity=SEVERITY,
            message=f"{code.name} calls {called}() instead of {called.removesuffix('.forward')}(), in {len(places)} place(s)",
            module=path if path in named.modules else code.owner.module,
            location=code.location(call),
            evidence={"calls": len(places), "attributes": ", ".join(names)},
            why=(
                "Everything that works by hooks (weight norm, FSDP, quantisation, profilers) is skipped for this "
                "layer in silence."
            ),
            fix="Call the module itself.",
            code=ast.unparse(ast.Call(func=call.func.value, args=call.args, keywords=call.keywords)),  # type: ignore[attr-defined]
        )


def loop_variables(code: Code) -> dict[str, str]:
    """Loop variable -> the attribute of ``self`` that is looped over."""
    found: dict[str, str] = {}
    for node in code.nodes:
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
            attribute = self_attribute(node.iter)
            if attribute:
                found[node.target.id] = attribute
    return found


def is_module(named: Lookup, code: Code, attribute: str) -> bool:
    """Is the attribute a module of the tree? Without a tree, or for a plain list, it is taken to be one."""
    if not code.owner.paths:
        return True
    prefix = f"{code.owner.module}." if code.owner.module else ""
    return f"{prefix}{attribute}" in named.modules or any(path.startswith(f"{prefix}{attribute}.") for path in named.modules)
