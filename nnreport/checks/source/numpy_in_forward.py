"""numpy-in-forward: a trip through NumPy on the way to the output

## Looks for
``.numpy()``, ``np.something(x)`` or ``torch.from_numpy(...)`` on what a layer made, in code that ``forward`` reaches.

## Why it matters
NumPy knows no autograd: what lies before gets no gradient. The values also travel from the device to the CPU and back, and
every such call waits for the device.

## How to mend it
Use the torch function of the same name (``torch.where``, ``torch.cumsum``, ``torch.linalg.norm`` …).

## Quiet when
* NumPy handles sizes, constants or indices (``np.sqrt(d)``, ``np.prod(x.shape[1:])``);
* a backward pass showed that no trainable parameter lost its gradient by it (lengths for packing, matching in a loss,
  logging).

## Known limits
Without a trace only values that visibly come of a layer are followed. Other libraries that leave torch (SciPy, Pillow) are
seen only through the ``.numpy()`` before them.

## Sources
Catalogue of graph cuts (detach, data, numpy, tensor, argmax, round, no_grad); PyTorch documentation of ``Tensor.numpy``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, sources
from nnreport.checks.lookup import spread_names
from nnreport.checks.source._flow import Names, cut_parameters, traced
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("source",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per function, with all its lines."""
    for code in sources(facts).forward:
        names = Names(code)
        trips = [(node, value) for node, value in trips_of(code)]
        lost: dict[str, None] = {}
        hit: list[ast.Call] = []
        for node, value in trips:
            cut = cut_parameters(facts, code, node)
            lost |= dict.fromkeys(cut)
            if cut or (not traced(facts) and value is not None and names.from_layer(value)):
                hit.append(node)
        if hit:
            yield finding(code, hit, list(lost))


def trips_of(code: Code) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """(call, the tensor that leaves torch) of every step into NumPy or back."""
    for call, name in code.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "numpy":
            yield call, call.func.value
        elif name.startswith("numpy.") and call.args and not about_sizes(call.args[0]):
            yield call, call.args[0]
        elif name in ("torch.from_numpy", "torch.as_tensor"):
            yield call, call.args[0] if call.args else None


def about_sizes(node: ast.expr) -> bool:
    """Does an expression only ask how large something is?"""
    asked = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return bool(asked & {"shape", "ndim", "device", "dtype"}) or any(
        isinstance(each, ast.Call)
        and ((isinstance(each.func, ast.Attribute) and each.func.attr in ("size", "dim")) or ast.unparse(each.func) == "len")
        for each in ast.walk(node)
    )


def finding(code: Code, hit: list[ast.Call], lost: list[str]) -> Finding:
    lines = sorted({node.lineno for node in hit})
    what = ast.unparse(hit[0])
    what = what if len(what) <= 70 else what[:67] + "..."
    message = f"{code.name} leaves torch for NumPy: {what}"
    if lost:
        message += f"; {len(lost)} trainable parameter(s) before it get no gradient ({spread_names(lost)})"
    return Finding(
        check="numpy-in-forward",
        severity=SEVERITY,
        message=message,
        module=code.owner.module,
        location=code.location(hit[0]),
        evidence={"lines": ", ".join(map(str, lines)), "parameters_cut_off": len(lost) if lost else None},
        why="NumPy knows no autograd: what was computed before cannot learn, and every call waits for the device.",
        fix="Use the torch function of the same name; it keeps the gradient and stays on the device.",
    )
