"""large-init: initial weights far too large for their fan-in

## Looks for
Weight matrices of a fresh model whose standard deviation is over 4 times He's `sqrt(2 / fan_in)`, and whose layer,
measured, does multiply its input's scale by more than 4.

## Why it matters
The outputs of such a layer are far from unit scale: tanh and sigmoid sit on their rails, softmax is one-hot, a ReLU
net's logits explode with depth, and the first loss is huge. `nn.init.normal_` draws with a standard deviation of 1
unless told otherwise.

## How to mend it
Scale to the fan-in: `nn.init.xavier_uniform_` for tanh and sigmoid, `nn.init.kaiming_normal_` for ReLU, or give
`std=`.

## Quiet when
A norm reads the layer's output, or it is scaled right after (equalised learning rate, NTK and µP parametrisation);
embeddings, norms, weight-normed layers; weights from a checkpoint; the measured gain is small (sparse or one-hot
inputs).

## Known limits
Networks that want large first-layer weights (random Fourier features, SIREN with its factor folded into the weight)
are flagged if those are trainable.

## Sources
He et al. 2015; Glorot and Bengio 2010. TheDeepChecker tests the variance itself (F-test), which flags 0.02-std
transformers, orthogonal and µP weights: hence a wide margin of 4. N(0, 1) weights in a 784-500³-10 net started at a
loss of 9.5e4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.initialisation._scale import gain, he_std
from nnreport.checks.layers import Matrix, layers
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import figure
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("weights", "tree")

FACTOR = 4.0
"""Over He's standard deviation: orthogonal, LeCun, Glorot and 0.02 all lie below 1.5."""
LEAST_GAIN = 4.0
"""Measured rms of output over input: He's is sqrt(2), so the weights of sparse inputs may be large in health."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.weights is None or not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    found = [each for each in layers(facts).matrices if _too_large(each)]
    if not found:
        return
    worst = max(found, key=lambda each: each.stats.std / he_std(each))
    modules = list(dict.fromkeys(each.module for each in found))
    ratio, measured = worst.stats.std / he_std(worst), gain(worst)
    yield Finding(
        check="large-init",
        severity="warning",
        module=worst.module,
        modules=modules,
        location=lookup(facts).class_line(worst.module),
        message=(
            f"The weights of {spread_names(modules)} start {figure(ratio)} times as large as their fan-in asks: the "
            f"standard deviation "
            f"of {worst.name} is {figure(worst.stats.std)}, for {worst.fan_in} inputs He's is {figure(he_std(worst))}; "
            f"the limit is {FACTOR:g} times."
        ),
        evidence={
            "std": worst.stats.std,
            "he_std": he_std(worst),
            "ratio": ratio,
            "limit": FACTOR,
            "fan_in": worst.fan_in,
            "gain": measured,
            "layers": len(found),
        },
        why=(
            f"Measured, {worst.module or 'the layer'} multiplies its input's scale by {figure(measured)}, where about 1 "
            f"is wanted; what follows saturates or explodes."
            if measured is not None
            else f"A sum of {worst.fan_in} such terms has a standard deviation near "
            f"{figure(worst.stats.std * math.sqrt(worst.fan_in))} for unit inputs."
        ),
        fix="Scale the initial weights to the fan-in (nn.init.normal_ has std=1 unless told otherwise).",
        code=f"nn.init.xavier_uniform_(self.{worst.name})",
    )


def _too_large(matrix: Matrix) -> bool:
    if matrix.stats.std <= FACTOR * he_std(matrix) or matrix.stats.nan or matrix.stats.inf:
        return False
    if matrix.fate in ("norm", "scaled"):
        return False
    measured = gain(matrix)
    return measured is None or measured > LEAST_GAIN
