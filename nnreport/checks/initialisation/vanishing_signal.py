"""vanishing-signal: what tells samples apart shrinks with depth

## Looks for
The spread between samples (standard deviation over the batch, relative to the rms of the output) at the outputs of
the modules of a fresh model, in order of execution, with BatchNorm calibrated: the last under a thousandth of the
first, shrinking from most layers to the next.

## Why it matters
The raw scale of activations may look healthy while all samples come to look alike: biases and the means of sigmoids
remain, the input is forgotten. A loss can only be lowered by what still differs at the output.

## How to mend it
He or Xavier initialisation, a normalisation in each block, residual connections, ReLU or GELU in place of stacked
sigmoids, fewer layers.

## Quiet when
The net learns in the probe (many deep GELU and ReLU nets start with a small spread and learn); the spread is exactly
zero at the output (zero-initialised heads and residuals); fewer than four modules were measured; the weights come
from a checkpoint.

## Known limits
Nets whose output is meant to be near constant at first (a tiny correction on a large mean) look alike. With synthetic
noise the input's own spread is that of noise.

## Sources
Measured: the spread of the logits over the batch at initialisation was 1.3e-4 for 6 GELU layers (learns), 8e-8 for 12
(learns slowly), 1.6e-9 for 20 (does not); ratios of gradients alone could not tell these apart. Schoenholz et al.
2017, Deep Information Propagation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup
from nnreport.checks.series import falling_share, figure, spread_in_training
from nnreport.checks.voice import own_data
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("experiments",)

RATIO = 1e-3
"""Last over first spread. Six-layer nets that learn reach 1e-2; a head's bias alone costs a factor of ten."""
LEAST_MODULES = 4
STEADY = 0.6
"""Share of the steps that go down: activations and norms in between raise it a little."""
START = 1e-2
"""The first modules must tell samples apart by at least this, else the input does not."""


def check(facts: Facts) -> Iterator[Finding]:
    trials = facts.experiments
    if trials is None or len(trials.initial_spread) < LEAST_MODULES:
        raise NotApplicable(f"the spread was measured at fewer than {LEAST_MODULES} modules")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    containers = {module.path for module in facts.tree.modules if module.children} if facts.tree else set()
    series = [
        (path, value)
        for path, value in trials.initial_spread.items()
        if path not in containers and math.isfinite(value) and value > 0
    ]
    if len(series) < LEAST_MODULES:
        return
    values = [value for _, value in series]
    first, last = max(values[:3]), values[-1]
    if trials.output_spread is not None:
        if trials.output_spread == 0:
            return
        last = trials.output_spread
    last = max(last, *(spread_in_training(facts, path) for path, _ in series[-2:]))  # of the batch that was trained on
    if first < START or last >= RATIO * first or falling_share(values) < STEADY or fits(facts) is True:
        return
    middle = math.sqrt(RATIO) * first
    path = next((each for each, value in series if value < middle), series[-1][0])
    yield Finding(
        check="vanishing-signal",
        severity="warning",
        module=path,
        modules=[each for each, _ in series],
        location=lookup(facts).class_line(path),
        message=(
            f"What tells samples apart shrinks from {figure(first)} at {series[0][0] or 'the input'} to {figure(last)} at "
            f"the output (spread over the batch, relative{'' if own_data(facts) else '; synthetic data'}); the limit is a "
            f"factor of "
            f"{figure(RATIO)}, this is {figure(last / first)}."
        ),
        evidence={"first_spread": first, "last_spread": last, "ratio": last / first, "limit": RATIO, "modules": len(series)},
        why="At the output all samples look nearly alike, so the loss can only learn the labels' mean, as it did in the probe.",
        fix="Initialise for the activation in use, normalise in each block, or add residual connections.",
    )
