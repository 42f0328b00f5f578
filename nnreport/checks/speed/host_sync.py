"""host-sync: forward waits for the device

## Looks for
``.item()``, ``.tolist()``, ``.cpu()``, ``.numpy()`` or printing a tensor in code that ``forward`` reaches.

## Why it matters
An accelerator works through a queue. Each of these calls waits until the queue is empty, and while the answer travels nothing
is computed. It also breaks ``torch.compile`` and CUDA graphs into pieces.

## How to mend it
Keep values on the device (``torch.where`` for an ``if`` on a value, an index tensor for a loop), and log outside of forward.

## Quiet when
* the lengths of packed sequences: ``pack_padded_sequence`` asks for them on the CPU;
* the line is an installed package's;
* the line also cuts the gradient: then ``graph-cut`` or ``numpy-in-forward`` speaks of it.

## Known limits
On a CPU nothing waits; the warning is for the day the model moves. Comparisons in an ``if`` wait too and are not counted: few
models do without.

## Sources
PyTorch performance tuning guide (“Avoid unnecessary CPU-GPU synchronization”).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import sources
from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, Location
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ()
CALLS = frozenset({"item", "tolist", "cpu", "numpy", "print"})
PACKING = ("pack_padded_sequence", "pack_sequence", "lengths")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per module, with all its lines."""
    found: dict[str | None, list[tuple[str, Location]]] = {}
    for module, what, where in seen_in_forward(facts) if facts.graph is not None else seen_in_source(facts):
        found.setdefault(module, []).append((what, where))
    named = lookup(facts)
    for path, places in found.items():
        unique = list({(where.path, where.line): (what, where) for what, where in reversed(places)}.values())[::-1]
        what, where = unique[0]
        owner = named.label(path) if path is not None else where.function or "forward"
        called = "print of a tensor" if what == "print" else f".{what}()"
        yield Finding(
            check="host-sync",
            severity=SEVERITY,
            message=f"{owner} waits for the device in forward: {called}"
            + (f", and in {len(unique) - 1} other place(s)" if len(unique) > 1 else ""),
            module=path,
            location=where,
            evidence={"places": len(unique), "calls": ", ".join(dict.fromkeys(each for each, _ in places))},
            why="On an accelerator the queue runs empty at each such call; torch.compile breaks the graph there.",
            fix="Keep the value in a tensor on the device, and log outside of forward.",
        )


def seen_in_forward(facts: Facts) -> Iterator[tuple[str | None, str, Location]]:
    """(module, call, line) of what the recorded forward did on the user's own lines."""
    assert facts.graph is not None
    cut = set(facts.reach.cuts) if facts.reach else set()
    cut_lines = {(node.location.path, node.location.line) for node in facts.graph.nodes if node.id in cut and node.location}
    for node in facts.graph.syncs:
        where = node.location
        if node.name not in CALLS or where is None or not where.user or (where.path, where.line) in cut_lines:
            continue
        if node.name == "cpu" and any(word in where.text for word in PACKING):
            continue
        yield node.module, node.name, where


def seen_in_source(facts: Facts) -> Iterator[tuple[str | None, str, Location]]:
    """The same from the text, where nothing ran."""
    for code in sources(facts).forward:
        for call, _ in code.calls():
            called = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            leaves = any(isinstance(outer, ast.Attribute) and outer.attr == "numpy" for outer in code.file.around(call))
            if called in ("item", "tolist", "cpu") and not call.args and not leaves:
                where = code.location(call)
                if not any(word in where.text for word in PACKING):
                    yield code.owner.module, called, where
