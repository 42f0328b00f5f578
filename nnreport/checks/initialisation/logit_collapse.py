"""logit-collapse: at the start the output has forgotten the input

## Looks for
How far the outputs of different samples differ before training (eval mode, BatchNorm calibrated, train mode where
that is larger): the spread over the batch relative to the output's rms, held against the resolution of float32,
1.2e-7.

## Why it matters
Differences of a few units in the last place are rounding noise. Neither the loss nor its gradient can see which
sample is which, however well the gradients flow, and ratios of gradient norms look healthy because all of them are
small alike.

## How to mend it
He or Xavier initialisation, normalisation in each block, residual connections.

## Quiet when
The last weights are zero (zero-initialised heads give a constant on purpose); the net learns in the probe; there is
one sample; the weights come from a checkpoint.

## Known limits
Between 1e-7 and 1e-6 nets may still learn, slowly, with Adam: there it is a warning. An input that is itself nearly
constant gives the same picture.

## Sources
Measured with Adam 1e-3: absolute spreads of 3e-6 (12 ReLU layers) learn, 8e-8 (12 GELU) learn slowly, 3e-9 (20 ReLU)
and 3e-15 (16 layers of U(−.05, .05)) do not; the break lies near 1e-7. Gradient ratios were 28,449 in the one that
learns and 1.5 in one that cannot.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.layers import layers
from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure, spread_in_training
from nnreport.checks.voice import premise
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("experiments",)

WARN = 1e-6
"""Relative spread: about eight units in the last place of float32."""
ERROR = 1e-7
"""Below one unit in the last place; the measured break."""


def check(facts: Facts) -> Iterator[Finding]:
    trials = facts.experiments
    spreads = [each for each in (trials.output_spread, trials.output_spread_train) if each is not None] if trials else []
    if not spreads:
        raise NotApplicable("the spread of the output was not measured")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    spread = max(spreads)
    if spread >= WARN or fits(facts) is True:
        return
    matrices = layers(facts).matrices
    heads = [each for each in matrices if each.fate == "output"] or matrices[-1:]
    if any(spread_in_training(facts, each.module) >= WARN for each in heads):
        return  # the batch that was trained on does differ; the trial's samples happened to meet in one code
    if any(each.stats.minimum == each.stats.maximum for each in heads):
        return  # the constant is in the head, not in the depth
    if trials and trials.initial_spread and max(list(trials.initial_spread.values())[:3]) < WARN:
        return  # the input itself does not differ
    last = heads[-1] if heads else None
    module = last.module if last else ""
    severity: Severity = "error" if spread < ERROR and fits(facts) is False else "warning"
    yield Finding(
        check="logit-collapse",
        severity=severity,
        module=module,
        location=lookup(facts).class_line(module),
        message=(
            f"Before training the outputs of different samples differ by {figure(spread)} of their "
            f"size{premise(facts, optimizer=False)}; "
            f"float32 resolves 1.2e-07, the limit is {figure(WARN)}."
        ),
        evidence={"output_spread": spread, "limit": WARN, "float_eps": 1.19e-07, "layers": len(matrices)},
        why=(
            f"After {len(matrices)} weighted layers what the input said is down to rounding noise; no learning rate can "
            f"bring it back."
        ),
        fix="Initialise for the activation in use (kaiming for ReLU), normalise in each block, or add residual connections.",
        code="nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')",
    )
