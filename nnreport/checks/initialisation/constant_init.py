"""constant-init: all weights of a layer start equal

## Looks for
Weight matrices of a fresh model whose entries are all the same, or whose rows (output units) are all the same. Units
that start equal and are read equally get the same gradient and stay copies of one another: the layer has the width of
one unit for ever.

A constant other than zero is reported when at least two layers share it, or when it is a hidden layer. A zero matrix
is reported only when it is a trap: its own gradient, too, was exactly zero at every observed step.

## Why it matters
The optimizer can only break a tie that the weights or the data break first. With constant weights on both sides of a
hidden layer nothing ever does; with zeros on both sides not even the first gradient arrives.

## How to mend it
Leave the default initialisation, or use one of `torch.nn.init` (`kaiming_uniform_`, `xavier_uniform_`,
`orthogonal_`). A constant is right for biases and norm gains only.

## Quiet when
The matrix is zero and does get a gradient (zero-initialised residual branch, head, LoRA's B, AdaLN-zero); it is an
output layer and the only constant one; it has one output unit; it is a depthwise convolution, an embedding, a norm
gain or a bias; the weights come from a checkpoint.

## Known limits
A single constant hidden layer between random ones does break its tie through what reads it, only slowly: it is a
warning, and may be meant (averaging layers). Units that are equal only in pairs (a matrix repeated block by block)
are not seen.

## Sources
Goodfellow et al., Deep Learning, 8.4 (symmetry breaking); TheDeepChecker (`var(w) == 0`); NeuraLint (constant weight
initialisation). All-zero weights left both matrices' gradients at exactly 0 over 150 steps, and a constant of 0.01
left accuracy at chance (0.108 of 10 classes); zero-initialised LoRA and residual branches do get gradients from step
2 on.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.layers import Matrix, layers
from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import figure
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("weights", "tree")

TIED_LAYERS = 2
"""So many constant layers leave no random one between them and are an error; a single hidden one a warning."""
LEAST_STEPS = 3
"""Observed steps over which a zero matrix must have had no gradient: at step 1 that is normal behind another zero matrix."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.weights is None or not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    matrices = [each for each in layers(facts).matrices if each.units > 1 and not each.depthwise]
    constant = [each for each in matrices if each.stats.minimum == each.stats.maximum and not _broken(each)]
    tied = [each for each in matrices if each.stats.identical_rows or (each in constant and each.stats.maximum != 0)]
    tied = [each for each in tied if each.stats.maximum != 0 or each.stats.minimum != 0]
    hidden = [each for each in tied if each.fate != "output"]
    if hidden and (len(tied) >= TIED_LAYERS or fits(facts) is not True):
        yield _finding(facts, tied, "error" if len(tied) >= TIED_LAYERS else "warning", trapped=False)
    stuck = _stuck(facts)
    trapped = [each for each in constant if each.stats.maximum == 0 and each.name in stuck]
    if len(trapped) >= TIED_LAYERS:
        yield _finding(facts, trapped, "error", trapped=True)


def _broken(matrix: Matrix) -> bool:
    return bool(matrix.stats.nan or matrix.stats.inf)


def _stuck(facts: Facts) -> set[str]:
    """Parameters whose gradient was exactly zero at every observed step, and there were enough."""
    if facts.probe is None:
        return set()
    return {each.name for each in facts.probe.parameters if each.steps >= LEAST_STEPS and each.zero_steps == each.steps}


def _finding(facts: Facts, matrices: list[Matrix], severity: Severity, trapped: bool) -> Finding:
    names = lookup(facts)
    modules = list(dict.fromkeys(each.module for each in matrices))
    first = matrices[0]
    values = sorted({each.stats.maximum for each in matrices if each.stats.minimum == each.stats.maximum})
    what = f"the same value ({', '.join(map(figure, values[:3]))})" if values else "the same row in every unit"
    count = f"The weights of {spread_names(modules)}" if len(modules) > 1 else f"The weight of {names.label(modules[0])}"
    consequence = (
        f"no gradient reached them in any of {_observed(facts)} observed steps"
        if trapped
        else "their units start as copies of one another"
    )
    return Finding(
        check="constant-init",
        severity=severity,
        module=first.module,
        modules=modules,
        location=names.class_line(first.module),
        message=f"{count} start at {what}: {consequence}.",
        evidence={
            "layers": len(modules),
            "value": first.stats.maximum,
            "std": first.stats.std,
            "units": first.units,
            "parameter": first.name,
        },
        why=(
            "With zeros on both sides of a hidden layer its output and its gradient are zero, so neither side ever moves."
            if trapped
            else f"All {first.units} units of {first.module or 'the layer'} compute one and the same feature and get the "
            f"same update; "
            "training cannot tell them apart."
        ),
        fix="Leave the default initialisation of the weights, or draw them at random; constants are for biases and norm gains.",
        code=f"nn.init.kaiming_uniform_(self.{first.name}, nonlinearity='relu')"
        if "." in first.name
        else "nn.init.kaiming_uniform_(weight)",
    )


def _observed(facts: Facts) -> int:
    return len(facts.probe.observed) if facts.probe else 0
