"""loss-oscillates: the loss jumps about more than it improves

## Looks for
The second half of the probe's losses: their spread around their own trend, over half of what the loss has improved in
all, and over 10 % of the present loss. The batch is fixed, so the data cannot be the reason.

## Why it matters
Each step overshoots and the next one mends it: the rate lies near the limit of what the curvature allows.

## How to mend it
Lower the learning rate or the momentum, or decay the rate.

## Quiet when
Two forwards of the net on one batch differ (dropout, sampling); a watched script, whose batches change; the loss is
near zero; the optimizer was not the
user's (then a note).

## Known limits
A stochastic net that oscillates for another reason is not seen. Full-batch training at the edge of stability wobbles
in health, by less than this.

## Sources
AutoTrainer (range of accuracy ≥ .03; its authors see it in half of healthy runs), TheDeepChecker (smoothness < .5):
hence a limit relative to the progress made. Cohen et al. 2021, Gradient Descent on Neural Networks Typically Occurs
at the Edge of Stability.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, finite, late, median, slope_and_spread
from nnreport.checks.voice import own_optimizer, premise
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe",)

OF_PROGRESS = 0.5
OF_LOSS = 0.10
NEAR_ZERO = 0.02
"""A loss that has fallen to this share of its start is done; its wobble does not matter."""
LEAST_STEPS = 12


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    losses = finite(probe.losses) if probe else []
    if probe is None or len(losses) < LEAST_STEPS or len(losses) != len(probe.losses):
        raise NotApplicable("too few finite losses")
    if probe.watched:
        raise NotApplicable("each step of the script has its own batch, so its loss may well jump about")
    if probe.stochastic or not probe.deterministic_loss:
        raise NotApplicable("the net or its loss is random in training")
    tail = finite(late(probe.losses))
    _, spread = slope_and_spread(tail)
    present = median(tail)
    progress = losses[0] - present
    if (
        spread <= OF_LOSS * abs(present)
        or spread <= OF_PROGRESS * max(progress, 0.0)
        or abs(present) < NEAR_ZERO * abs(losses[0])
    ):
        return
    optimizer = probe.optimizer
    rate = optimizer.learning_rate if optimizer else 0.0
    yield Finding(
        check="loss-oscillates",
        severity="warning" if own_optimizer(facts) else "note",
        location=optimizer.location if optimizer else None,
        message=(
            f"In the last {len(tail)} steps on one fixed batch the loss strays by {figure(spread)} (standard deviation) "
            f"from its own trend"
            f"{premise(facts)}; it has improved by {figure(progress)} in all and stands at {figure(present)}; the limit "
            f"is half of the first "
            "and a tenth of the second."
        ),
        evidence={
            "spread": spread,
            "progress": progress,
            "loss": present,
            "limit": max(OF_PROGRESS * progress, OF_LOSS * abs(present)),
            "learning_rate": rate,
        },
        why="The batch never changes, so it is the steps that are too long.",
        fix="Lower the learning rate or the momentum.",
        code=f"torch.optim.{optimizer.name}(model.parameters(), lr={rate / 3:g})" if optimizer and rate else "",
    )
