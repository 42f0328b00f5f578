"""half-overflow-risk: activations near the end of float16

## Looks for
Activations of float16 layers beyond 60,000 / 8 = 7,500: a factor of 8 from overflow. In a float32 model only beyond
float16's own end, as a note.

## Why it matters
float16 ends at 65,504; beyond it is infinity, and the next subtraction NaN. A factor of 8 is what a few unlucky
samples or steps bring.

## How to mend it
Use bfloat16, which has float32's range, or keep this layer in float32 (`with torch.autocast(..., enabled=False)`), or
scale what it reads.

## Quiet when
The layer runs in bfloat16 or float32 (then a note at most); the number is a
mask's (1e9 and beyond); the loss has run away anyhow (`loss-diverges`).

## Known limits
Only the sampled elements and the probe's batches are known.

## Sources
transformers' DebugUnderflowOverflow; stas00/ml-engineering. float16's largest number is 65,504.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure, finite
from nnreport.facts import Facts, Range
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph",)

END = 65504.0
HALF = 6e4 / 8
MASK = 1e9
"""Numbers of this size are a mask's, written to vanish in a softmax."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.graph is None:
        return
    losses = facts.probe.losses if facts.probe else []
    if len(finite(losses)) < len(losses):
        raise NotApplicable("the loss has run away")
    halves = {module for module, dtype in _dtypes(facts).items() if dtype == "float16"}
    worst: tuple[float, str, int | None, bool] | None = None
    for node in facts.graph.nodes:
        if node.kind != "op" or not node.outputs or not node.outputs[0].dtype.startswith("float"):
            continue
        largest, half = _largest(node.output_range), node.outputs[0].dtype == "float16"
        if largest > (HALF if half else END) and (worst is None or (half, largest) > (worst[3], worst[0])):
            worst = (largest, node.module, node.id, half)
    for series in facts.probe.activations if facts.probe and halves else ():
        largest, half = max(finite(series.maximum), default=0.0), series.module in halves
        if half and largest > HALF and (worst is None or (half, largest) > (worst[3], worst[0])):
            worst = (largest, series.module, None, half)
    if worst is None:
        return
    largest, module, node_id, half = worst
    limit = HALF if half else END
    names = lookup(facts)
    yield Finding(
        check="half-overflow-risk",
        severity="warning" if half else "note",
        module=module,
        location=names.call_line(module),
        node=node_id,
        message=(
            f"Activations of {names.label(module)} reach {figure(largest)}{'' if half else ' in float32'}; float16 ends "
            f"at {figure(END)}, the limit "
            f"is {figure(limit)}."
        ),
        evidence={"largest": largest, "limit": limit, "float16_end": END},
        why="A few unlucky samples more and it is infinity, then NaN."
        if half
        else "Under float16 autocast this would be infinity.",
        fix="Use bfloat16, keep this layer in float32, or scale what it reads.",
        code="with torch.autocast(device_type, enabled=False):\n    ...",
    )


def _largest(held: Range | None) -> float:
    if held is None or not math.isfinite(held.maximum):
        return 0.0
    return max((abs(value) for value in (held.minimum, held.maximum) if abs(value) < MASK), default=0.0)


def _dtypes(facts: Facts) -> dict[str, str]:
    """Module path -> dtype of its parameters."""
    return {each.module: each.dtype for each in facts.tree.parameters if each.kind == "parameter"} if facts.tree else {}
