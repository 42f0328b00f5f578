"""misaligned-width: matrix sizes that tensor cores do not like

## Looks for
On CUDA in half precision: linear and convolutional layers with a width that is no multiple of 8.

## Why it matters
Tensor cores work on tiles of 8 half-precision numbers. Another width is padded inside, or takes a slower kernel.

## How to mend it
Round widths up to a multiple of 8 (vocabularies to 64): a few parameters more, and faster.

## Quiet when
* the device is no CUDA device, or the weights are float32;
* the width is under 64: small layers are bound by memory, and the last layer has as many outputs as there are classes.

## Known limits
Recent cuBLAS pads well; measure before changing a trained model.

## Sources
NVIDIA, “Matrix Multiplication Background User's Guide” (multiples of 8 for 16-bit); torch.profiler pattern
``MatMulDimInFP16``; torch-audit TA200.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("tree",)
MULTIPLE = 8
LEAST_WIDTH = 64
HALF = ("float16", "bfloat16")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such layers."""
    assert facts.tree is not None
    if not facts.environment.device.startswith("cuda"):
        return
    found: dict[str, list[int]] = {}
    for parameter in facts.tree.parameters:
        if parameter.kind != "parameter" or parameter.dtype not in HALF or len(parameter.shape) < 2:
            continue
        odd = [size for size in parameter.shape[:2] if size >= LEAST_WIDTH and size % MULTIPLE]
        if odd:
            found.setdefault(parameter.module, []).extend(odd)
    if not found:
        return
    named = lookup(facts)
    path, sizes = next(iter(found.items()))
    yield Finding(
        check="misaligned-width",
        severity=SEVERITY,
        message=f"{named.label(path)} has a width of {sizes[0]}, no multiple of {MULTIPLE}, in half precision"
        + (f"; {len(found)} layers have such" if len(found) > 1 else ""),
        module=path,
        modules=list(found),
        location=named.class_line(path),
        evidence={"width": sizes[0], "multiple": MULTIPLE, "layers": len(found)},
        why="Tensor cores work on tiles of 8; another width is padded or takes a slower kernel.",
        fix=f"Round {spread_names([str(size) for size in dict.fromkeys(sizes)])} up to {-(-sizes[0] // MULTIPLE) * MULTIPLE}.",
    )
