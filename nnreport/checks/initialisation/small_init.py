"""small-init: initial weights far too small for their fan-in

## Looks for
Hidden weight matrices of a fresh model whose standard deviation is under a twentieth of PyTorch's default for the
larger fan, `sqrt(1 / (3·max(fan_in, fan_out)))`, with nothing after them that would restore the scale.

## Why it matters
The layer all but erases its input: what follows sees its bias. Gradients of the layers before it shrink by the same
factor.

## How to mend it
Scale to the fan-in (`nn.init.kaiming_uniform_`), or put a norm after the layer.

## Quiet when
Output layers (a policy head's gain of 0.01, a zero-initialised head); residual branches; a norm, a scaling or a gate
reads the output; embeddings, norms, reparametrised and constant matrices (`constant-init`); weights from a
checkpoint; the net learns in the probe.

## Known limits
Deliberately tiny weights in front of an exponential or of a learned gain, without a residual, are flagged if the
probe does not learn.

## Sources
Glorot and Bengio 2010; Radford et al. 2019 (0.02 / sqrt(2·depth) in residual branches stays well above the limit).
DeepDiagnosis' bound on the variance (1e-5) flags every layer of 33,000 inputs, hence a limit relative to the fan.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.initialisation._scale import gain, least_std
from nnreport.checks.layers import Matrix, layers
from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import figure
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("weights", "tree")

FACTOR = 1 / 20
"""Of PyTorch's default std: 0.02 at a fan of 16 lies at 0.14, GPT-2's residual scaling at 0.14 for 48 layers."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.weights is None or not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    found = [each for each in layers(facts).matrices if _too_small(each)]
    if not found or fits(facts) is True:
        return
    worst = min(found, key=lambda each: each.stats.std / least_std(each))
    modules = list(dict.fromkeys(each.module for each in found))
    ratio = worst.stats.std / least_std(worst)
    yield Finding(
        check="small-init",
        severity="warning",
        module=worst.module,
        modules=modules,
        location=lookup(facts).class_line(worst.module),
        message=(
            f"The weights of {spread_names(modules)} start at {figure(ratio)} of what their fan asks: the standard "
            f"deviation of {worst.name} is "
            f"{figure(worst.stats.std)}, PyTorch's default would be {figure(least_std(worst))}; the limit is {FACTOR:g} of it."
        ),
        evidence={
            "std": worst.stats.std,
            "default_std": least_std(worst),
            "ratio": ratio,
            "limit": FACTOR,
            "gain": gain(worst),
            "layers": len(found),
        },
        why="What these layers put out hardly depends on their input, and the gradient of the layers before them shrinks alike.",
        fix="Scale the initial weights to the fan-in.",
        code=f"nn.init.kaiming_uniform_(self.{worst.name}, nonlinearity='relu')",
    )


def _too_small(matrix: Matrix) -> bool:
    stats = matrix.stats
    if stats.std >= FACTOR * least_std(matrix) or stats.minimum == stats.maximum or stats.nan or stats.inf:
        return False
    return matrix.fate in ("hidden", "unknown")
