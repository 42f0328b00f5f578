"""update-too-large: each step rewrites the weights

## Looks for
‖Δw‖ / ‖w‖ of each weight matrix per step: over 0.1 for most of them, late in the probe, in a net whose loss does not
come down steadily.

## Why it matters
Ten steps then replace the weights altogether. What was learnt is overwritten, ReLUs die, the loss jumps.

## How to mend it
Lower the learning rate, warm it up, clip the gradient.

## Quiet when
The loss has fallen by half (small weights that grow quickly), in a watched script by a tenth; the optimizer was not
the user's (then a note); weights that started at zero are left out.

## Known limits
The probe (but not a watched script) trains on one fixed batch: with changing batches the same rate may be too large
where it is fine here.

## Sources
MindInsight (> 0.1), DeepDiagnosis and TheDeepChecker (> 0.1), torchmortem (median > 0.1), SageMaker Debugger (> 10).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.gradients._updates import updates
from nnreport.checks.learning import learning
from nnreport.checks.lookup import spread_names
from nnreport.checks.series import figure, median
from nnreport.checks.voice import own_optimizer
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "weights", "tree")

LIMIT = 0.1
MOST = 0.5
LEARNT = 0.5
"""A loss that has fallen by this share shows that the steps serve it."""


def check(facts: Facts) -> Iterator[Finding]:
    found = updates(facts)
    if not found or facts.probe is None or facts.probe.optimizer is None:
        raise NotApplicable("no updates were measured")
    large = [each for each in found if each.ratio > LIMIT]
    verdict = learning(facts)
    if len(large) <= MOST * len(found) or (verdict is not None and verdict.fall > LEARNT):
        return
    if facts.probe.watched and (verdict is None or verdict.fits is True):
        return
    optimizer = facts.probe.optimizer
    typical = median([each.ratio for each in large])
    modules = list(dict.fromkeys(each.matrix.module for each in large))
    yield Finding(
        check="update-too-large",
        severity="warning" if own_optimizer(facts) else "note",
        module=modules[0],
        modules=modules,
        location=optimizer.location,
        message=(
            f"A step of {optimizer.name} at {figure(optimizer.learning_rate)} moves {len(large)} of {len(found)} weight "
            f"matrices by "
            f"{figure(typical)} of their size (median; {spread_names(modules)}); the limit is {LIMIT:g}."
        ),
        evidence={
            "update_ratio": typical,
            "limit": LIMIT,
            "layers": len(large),
            "of": len(found),
            "learning_rate": optimizer.learning_rate,
        },
        why="About ten such steps replace the weights altogether; the loss did not come down steadily.",
        fix="Lower the learning rate, warm it up, or clip the gradient.",
    )
