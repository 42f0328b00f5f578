"""activation-explosion: activations grow with depth

## Looks for
The scale (rms) of what the weighted layers put out, in order of execution, in a fresh model: the last over 1,000
times the first, and growing from most layers to the next.

## Why it matters
Each layer multiplies the signal; after enough of them the logits are huge, the loss starts far too high, the softmax
is saturated and gradients explode or overflow.

## How to mend it
Scale the weights to their fan-in (`torch.nn.init.kaiming_normal_`), put a normalisation into each block, or scale
residual branches by `1/sqrt(2·depth)`.

## Quiet when
The weights come from a checkpoint; there are fewer than four weighted layers; the growth is that of a residual stream
(slow); the scale jumps at one layer only (a head that maps to raw units).

## Known limits
Nets whose last layers deliberately map to physical units in several steps may be flagged. The scale is that of the
recorded sample.

## Sources
He et al. 2015 (variance should stay constant with depth); stas00/ml-engineering (std of 0.02 is too large for a
hidden size of 14,336); SageMaker Debugger's PoorWeightInitialization uses a ratio of 10 between layer variances,
which residual nets exceed in health: the limit here is 1,000 in scale.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from nnreport.checks.layers import layers
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import falling_share, figure
from nnreport.facts import Facts, Range
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph", "weights", "tree")

GROWTH = 1e3
"""Last over first scale. Un-normalised residual streams grow like the square root of their depth and stay far below."""
LEAST_LAYERS = 4
"""With fewer there is no trend."""
STEADY = 0.7
"""Share of the steps from layer to layer that must go up."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.weights is None or not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    scales = []
    for matrix in layers(facts).matrices:
        scale = rms(matrix.node.output_range) if matrix.node else None
        if scale:
            scales.append((matrix, scale))
    if len(scales) < LEAST_LAYERS:
        raise NotApplicable(f"fewer than {LEAST_LAYERS} weighted layers with a measured output")
    first, last = scales[0][1], scales[-1][1]
    logs = [math.log(scale) for _, scale in scales]
    if last / first <= GROWTH or falling_share(logs) > 1 - STEADY:
        return
    steps = [b - a for a, b in itertools.pairwise(logs)]
    if max(steps) > math.log(last / first) / 2 and len(steps) > 3:
        return  # one layer alone changes the units; no growth with depth
    worst = scales[max(range(len(steps)), key=steps.__getitem__) + 1][0]
    modules = list(dict.fromkeys(matrix.module for matrix, _ in scales))
    yield Finding(
        check="activation-explosion",
        severity="warning",
        module=worst.module,
        modules=modules,
        location=lookup(facts).class_line(worst.module),
        node=worst.node.id if worst.node else None,
        message=(
            f"The activations grow {figure(last / first)} times from {scales[0][0].module or 'the first layer'} (rms "
            f"{figure(first)}) to "
            f"{scales[-1][0].module or 'the last'} (rms {figure(last)}), over {len(scales)} layers; the limit is "
            f"{figure(GROWTH)}."
        ),
        evidence={"first_rms": first, "last_rms": last, "ratio": last / first, "limit": GROWTH, "layers": len(scales)},
        why=(
            f"Each layer multiplies the signal by about {figure(math.exp((logs[-1] - logs[0]) / (len(logs) - 1)))} "
            f"({spread_names(modules)}), so the output's scale says nothing about the input and gradients grow alike."
        ),
        fix="Scale the initial weights to their fan-in, or normalise in every block.",
        code="nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')",
    )


def rms(found: Range | None) -> float | None:
    """Root mean square of what a range summarises; None where it is unknown or non-finite."""
    if found is None or found.nan or found.inf:
        return None
    value = math.hypot(found.mean, found.std)
    return value if math.isfinite(value) else None
