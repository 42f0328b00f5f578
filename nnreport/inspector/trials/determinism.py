"""Do two eval forwards of one input give one output? If not: where do they part, and is it chance or something left behind?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments
from nnreport.inspector.trials.lab import Lab
from nnreport.inspector.trials.pool import Inputs
from nnreport.inspector.trials.watch import first_parting, node_of, same
from nnreport.inspector.weighing.statistics import sample

KERNEL_NOISE = 1e-5
"""Relative difference up to which two runs are the same: sums in another order differ by as much."""
LOOKED_AT = 2048
"""Elements compared per operation when the place is looked for."""

MOST = 1 << 20
"""Elements of an output compared, at most."""

Outputs = list[tuple[str, Tensor]]


def nondeterminism(lab: Lab, found: Experiments) -> None:
    """Two eval forwards under two seeds, a third under the second's seed where they differ."""
    model = lab.copy().eval()
    inputs = lab.pool.given
    one, two = lab.run(model, inputs, 1), lab.run(model, inputs, 2)
    found.nondeterminism = difference(one, two)
    if found.nondeterminism <= KERNEL_NOISE:
        return
    again = difference(two, lab.run(model, inputs, 2))
    other = lab.copy().eval()
    state = difference(lab.run(other, inputs, 1), lab.run(other, inputs, 1)) > KERNEL_NOISE
    found.nondeterminism_cause = "random" if again <= KERNEL_NOISE and not state else "state" if state else "kernel"
    locate(lab, found, lab.copy().eval(), inputs)


def locate(lab: Lab, found: Experiments, model: nn.Module, inputs: Inputs) -> None:
    """Names the first operation whose result differs."""
    place = first_parting(
        model,
        (lambda: lab.run(model, inputs, 1), lambda: lab.run(model, inputs, 2)),
        look=lambda t: sample(t, LOOKED_AT).clone() if t.layout == torch.strided else None,
        parts=lambda a, b: not same(a, b) and (not a.is_floating_point() or relative(a, b) > KERNEL_NOISE),
    )
    if place is not None:
        found.nondeterminism_module = place.module
        found.nondeterminism_operation = place.operation
        found.nondeterminism_location = place.location
        found.nondeterminism_node = node_of(lab.graph, place)


def difference(one: Outputs, two: Outputs) -> float:
    """Largest relative difference of two outputs' tensors; 1 where they do not even have the same shapes."""
    if [(n, t.shape) for n, t in one] != [(n, t.shape) for n, t in two]:
        return 1.0
    return max((relative(a, b) for (_, a), (_, b) in zip(one, two, strict=True)), default=0.0)


def relative(one: Tensor, two: Tensor) -> float:
    """max |a − b| over rms(a), over the elements that are finite in both; 1 where whole numbers differ."""
    if one.numel() == 0 or one.layout != torch.strided or one.is_quantized or same(one, two):
        return 0.0
    if not (one.is_floating_point() or one.is_complex()):
        return 1.0
    one, two = sample(one, MOST).cpu(), sample(two, MOST).cpu()
    kept = torch.isfinite(one) & torch.isfinite(two)
    if not bool(kept.any()):
        return 0.0
    wide = torch.complex128 if one.is_complex() else torch.float64
    a, b = one[kept].to(wide), two[kept].to(wide)
    scale = float(a.abs().pow(2).mean().sqrt())
    moved = float((a - b).abs().max())
    return moved / scale if scale > 0 else (1.0 if moved > 0 else 0.0)
