"""unregistered-buffer: a constant that does not move with the model

## Looks for
A plain tensor attribute with more than one element that forward reads and that is neither buffer nor parameter.

## Why it matters
``model.to("cuda")`` moves parameters and buffers only: on an accelerator the forward then fails with tensors on two devices.
And a checkpoint does not hold the values.

## How to mend it
``self.register_buffer("mean", tensor)``; with ``persistent=False`` where it shall not be saved.

## Quiet when
* it is a scalar: torch takes those from the CPU;
* forward never reads it, or makes it anew at each call;
* every use of it begins by moving it (``self.mean.to(x.device)``).

## Known limits
A model that is meant for the CPU only loses nothing but the entry in its checkpoint.

## Sources
PyTorch documentation of ``register_buffer``; dslinter and CodeGuru rules on tensors made on the CPU.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import self_attribute, sources
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.walk import elements
from nnreport.facts import Facts, StrayTensor
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("tree",)
MOVES = frozenset({"to", "type_as", "cuda"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per owner, with all its tensors."""
    assert facts.tree is not None
    named = lookup(facts)
    found: dict[str, list[StrayTensor]] = {}
    for stray in facts.tree.stray:
        plain = stray.kind == "tensor" and not stray.requires_grad and not stray.in_forward and stray.attribute
        if plain and stray.used and elements(stray.shape) > 1 and not moved_at_use(facts, stray):
            found.setdefault(stray.owner, []).append(stray)
    for owner, strays in found.items():
        names = [stray.attribute for stray in strays]
        first = strays[0]
        listed = spread_names([f"self.{name}" for name in names])
        shapes = ", ".join(str(each.shape) for each in strays[:4])
        yield Finding(
            check="unregistered-buffer",
            severity=SEVERITY,
            message=(
                f"{named.label(owner)} reads {listed} of shape {shapes} in forward: "
                f"{'plain tensors' if len(names) > 1 else 'a plain tensor'}, neither buffer nor parameter"
            ),
            module=owner,
            location=first.location or named.class_line(owner),
            evidence={"tensors": len(names), "elements": sum(elements(stray.shape) for stray in strays)},
            why="model.to(device) leaves it on the CPU, so the forward fails on an accelerator, and no checkpoint holds it.",
            fix="Register it as a buffer (persistent=False if a checkpoint shall not hold it).",
            code="\n".join(f'self.register_buffer("{name}", ...)' for name in names[:4] if name.isidentifier()),
        )


def moved_at_use(facts: Facts, stray: StrayTensor) -> bool:
    """Does every line of forward that speaks of it move it first? (A move to where it is leaves no trace in the graph.)"""
    uses, moved = 0, 0
    for code in sources(facts).forward:
        if stray.owner not in code.owner.paths:
            continue
        for node in code.nodes:
            if (
                not isinstance(node, ast.Attribute)
                or self_attribute(node) != stray.attribute
                or not isinstance(node.ctx, ast.Load)
            ):
                continue
            outer = next(code.file.around(node), None)
            uses += 1
            moved += isinstance(outer, ast.Attribute) and outer.attr in MOVES
    return uses > 0 and moved == uses
