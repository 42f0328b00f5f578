"""update-too-small: steps hardly move the weights

## Looks for
‖Δw‖ / ‖w‖ of each weight matrix per step: under 1e-6 for most of them, late in the probe, in a net that does not
learn.

## Why it matters
At that pace a weight needs a million steps to change by its own size; in float32 the smallest updates are lost in
rounding (1.2e-7).

## How to mend it
Raise the learning rate, leave out a schedule's long warm-up, check the scale of the loss.

## Quiet when
The net learns; the optimizer was not the user's (then a note); weights that are zero or got no gradient are left out;
a checkpoint is fine-tuned.

## Known limits
A warm-up whose first steps are tiny on purpose looks the same within the probe.

## Sources
SageMaker Debugger (< 1e-8), MindInsight (< 1e-4), DeepDiagnosis (< 1e-5), torchmortem (median < 1e-5): a low rate for
fine-tuning reaches 1e-5 in health, hence 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.gradients._updates import updates
from nnreport.checks.learning import fits
from nnreport.checks.lookup import spread_names
from nnreport.checks.series import figure, median
from nnreport.checks.voice import own_optimizer
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "weights", "tree")

LIMIT = 1e-6
MOST = 0.5


def check(facts: Facts) -> Iterator[Finding]:
    found = updates(facts)
    if not found or facts.probe is None or facts.probe.optimizer is None:
        raise NotApplicable("no updates were measured")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn: fine-tuning wants small steps")
    small = [each for each in found if each.ratio < LIMIT]
    if len(small) <= MOST * len(found) or fits(facts) is True:
        return
    optimizer = facts.probe.optimizer
    typical = median([each.ratio for each in small])
    modules = list(dict.fromkeys(each.matrix.module for each in small))
    yield Finding(
        check="update-too-small",
        severity="warning" if own_optimizer(facts) else "note",
        module=modules[0],
        modules=modules,
        location=optimizer.location,
        message=(
            f"A step of {optimizer.name} at {figure(optimizer.learning_rate)} moves {len(small)} of {len(found)} weight "
            f"matrices by "
            f"{figure(typical)} of their size (median; {spread_names(modules)}); the limit is {figure(LIMIT)}."
        ),
        evidence={
            "update_ratio": typical,
            "limit": LIMIT,
            "layers": len(small),
            "of": len(found),
            "learning_rate": optimizer.learning_rate,
        },
        why=f"A weight would change by its own size in {figure(1 / typical) if typical else 'infinitely many'} such steps.",
        fix="Raise the learning rate, and check that no schedule or clipping holds it down.",
    )
