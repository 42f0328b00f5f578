"""vanishing-gradient: gradients die out towards the input

## Looks for
The rms of the gradient of each weight matrix, in order of execution: the first under 1e-4 of the last (an error under
1e-6) at most observed steps, falling steadily from layer to layer, in a net that does not learn in the probe.

## Why it matters
The first layers stay as they were drawn while the last ones learn from random features, or nothing but the labels'
mean.

## How to mend it
ReLU or GELU in place of stacked sigmoids and tanhs, He or Xavier initialisation, normalisation in each block,
residual connections.

## Quiet when
The net learns: ratios alone are wrong both ways (a 12-layer GELU net at 1/28,449 reaches 87 % accuracy). Exactly zero
gradients, as of zero-initialised gates, are left out, as are embeddings, norms, biases and frozen layers; a jump at
one layer only is no decay with depth.

## Known limits
Adam divides the scale out until its epsilon (1e-8): nets at 1e-5 may still learn slowly, beyond what the probe's
steps show. Nets in which all gradients vanish alike have a healthy ratio; `logit-collapse` sees those.

## Sources
AutoTrainer (first/last < 1e-3 and first < 1e-4), torchmortem (last/first ≥ 100), SageMaker Debugger (mean < 1e-7).
Measured: ratio 1/28,449 in a net that learns, 1.5 in one that cannot, hence both the wider limits and the condition
that it does not learn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from nnreport.checks.gradients._profile import profile, share_of_steps
from nnreport.checks.learning import learning
from nnreport.checks.lookup import lookup
from nnreport.checks.series import falling_share, figure
from nnreport.checks.voice import premise, spoken
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "weights", "tree")

WARN = 1e-4
"""First over last rms gradient."""
ERROR = 1e-6
MOST_STEPS = 0.5
LEAST_LAYERS = 4
STEADY = 0.6
"""Share of the steps towards the output at which the gradient grows."""


def check(facts: Facts) -> Iterator[Finding]:
    layers = profile(facts)
    if len(layers) < LEAST_LAYERS:
        raise NotApplicable(f"fewer than {LEAST_LAYERS} weight matrices got a gradient")
    first, last = layers[0], layers[-1]
    ratio = first.typical / last.typical
    if ratio >= WARN or share_of_steps(first.series, last.series, WARN) <= MOST_STEPS:
        return
    logs = [math.log(each.typical) for each in layers]
    if 1 - falling_share(logs) < STEADY:
        return
    steps = [b - a for a, b in itertools.pairwise(logs)]
    if max(steps) > 0.8 * (logs[-1] - logs[0]):
        return  # one place, no decay with depth
    verdict = learning(facts)
    if verdict is None or verdict.fits is True or (facts.probe and facts.probe.watched and verdict.fits is None):
        return
    severity: Severity = "error" if ratio < ERROR and verdict.fits is False else "warning"
    modules = list(dict.fromkeys(each.matrix.module for each in layers))
    per_layer = math.exp((logs[-1] - logs[0]) / (len(logs) - 1))
    names = lookup(facts)
    yield Finding(
        check="vanishing-gradient",
        severity=spoken(facts, severity),
        module=first.matrix.module,
        modules=modules,
        location=names.class_line(first.matrix.module),
        message=(
            f"The gradient of {first.matrix.name} is {figure(ratio)} of that of {last.matrix.name} "
            f"({figure(first.typical)} against "
            f"{figure(last.typical)}, rms, median of {len(first.series.gradient)} observed steps{premise(facts)}); the "
            f"limit is {figure(WARN)}."
        ),
        evidence={
            "first_gradient": first.typical,
            "last_gradient": last.typical,
            "ratio": ratio,
            "limit": WARN,
            "layers": len(layers),
            "loss_fall": verdict.best_fall,
        },
        why=(
            f"Each of the {len(layers)} layers passes back about 1/{figure(per_layer)} of the gradient; the first ones "
            f"stay random, and in "
            f"{verdict.steps} steps the loss went from {figure(verdict.first)} to {figure(verdict.best)} only."
        ),
        fix="Use ReLU or GELU in hidden layers, initialise for them, normalise in each block, or add residual connections.",
    )
