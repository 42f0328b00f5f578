"""hard-coded-device: the model runs on one kind of machine only

## Looks for
``.cuda()``, ``.to("cuda")``, ``device="cuda:0"`` or ``torch.device("cuda")`` in the constructor of a module or in code that
its forward reaches.

## Why it matters
The model fails on a machine without that device, and on a second GPU it mixes devices. ``model.to(device)`` moves parameters
and buffers, and cannot move what the code pins.

## How to mend it
Register constants with ``register_buffer`` so that they follow the model, and make new tensors where the inputs are:
``torch.zeros(n, device=x.device)``.

## Quiet when
* the device is chosen: a conditional expression or an ``if`` around it speaks of ``cuda`` or of a device;
* it is the default of a parameter, a device taken from a tensor or an attribute, or the ``device_type`` of autocast.

## Known limits
A device held in a global constant of the file is not followed.

## Sources
dslinter and CodeGuru rules on device handling; PyTorch serialization notes; ``torch.nn.Module.to``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, UsedClass, keyword, mentions, sources
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("source",)
DEVICES = ("cuda", "mps", "xpu", "hpu", "npu")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per class, with all its lines."""
    known = sources(facts)
    found: dict[int, list[tuple[Code, ast.Call]]] = {}
    codes = list(known.forward)
    codes += [Code(cls, cls.file, cls.methods["__init__"]) for cls in known.classes if "__init__" in cls.methods]
    for code in codes:
        for call, name in code.calls():
            if pins(code, call, name) and not any(mentions(test, "cuda", "device", *DEVICES) for test in code.tests(call)):
                found.setdefault(id(code.owner), []).append((code, call))
    for places in found.values():
        yield finding(places)


def finding(places: list[tuple[Code, ast.Call]]) -> Finding:
    code, call = places[0]
    owner: UsedClass = code.owner
    text = ast.unparse(call)
    lines = sorted({each.lineno for _, each in places})
    return Finding(
        check="hard-coded-device",
        severity=SEVERITY,
        message=f"{code.name} pins a device: {text if len(text) <= 80 else text[:77] + '...'}"
        + (f", and on line {', '.join(map(str, lines[1:]))}" if lines[1:] else ""),
        module=owner.module,
        location=code.location(call),
        evidence={"places": len(lines), "lines": ", ".join(map(str, lines))},
        why=(
            "The model fails on a machine without that device and mixes devices on a second one; model.to(device) cannot move it."
        ),
        fix="Take the device from an input, or register constants with register_buffer so that they move with the model.",
        code="torch.zeros(n, device=x.device)\n# or, for a constant, in __init__:\nself.register_buffer('name', tensor)",
    )


def pins(code: Code, call: ast.Call, name: str) -> bool:
    """Does a call put something on a device that stands in the code?"""
    if isinstance(call.func, ast.Attribute):
        if call.func.attr == "cuda" and not name.startswith("torch.cuda"):
            return all(isinstance(each, ast.Constant) for each in call.args)
        if call.func.attr == "to" and call.args and is_device(code, call.args[0]):
            return True
    if name == "torch.device":
        inside = next((outer for outer in code.file.around(call) if isinstance(outer, ast.Call)), None)
        nested = inside is not None and (call in inside.args or any(each.value is call for each in inside.keywords))
        return bool(call.args) and is_device(code, call.args[0]) and not nested
    value = keyword(call, "device")
    return value is not None and is_device(code, value)


def is_device(code: Code, node: ast.expr) -> bool:
    """A literal accelerator: ``"cuda:0"``, ``torch.device("cuda")``."""
    if isinstance(node, ast.Call) and code.file.resolve(node.func) == "torch.device":
        return bool(node.args) and is_device(code, node.args[0])
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(":")[0] in DEVICES
