"""learning-rate-high: a smaller rate would learn where this one does not

## Looks for
The user's rate, at which the loss ends above its start (or non-finite), against the same steps from the same start at
lower rates: one of them improves it clearly. For plain SGD also the rate against 2/λmax, the most that the loss's
curvature allows.

## Why it matters
Every step overshoots. The run is lost however long it is.

## How to mend it
Use the rate that the finding names, or warm up to this one.

## Quiet when
The rate is nnreport's default; a watched script, whose run was not repeated; the loss comes down at the user's rate;
the lower rates do no better (then it is not the rate).

## Known limits
A schedule's warm-up is not seen: with it the same peak rate may be fine. λmax is that of the start and of one batch.

## Sources
Cohen et al. 2021 (stability up to 2/λmax). Measured: λmax 3,284 against 2/lr = 4 and 226.9 against 200, both diverge,
as predicted before training. UMLAUT's fixed bound of 0.01 flags SGD at 0.1, hence counter-runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.learning import LEAST_FALL, end, relative_fall
from nnreport.checks.series import figure, finite, percent, real
from nnreport.checks.voice import own_optimizer
from nnreport.facts import Facts, RateTrial
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "experiments")

WORSE = 0.0
"""Relative fall at the user's rate at or below which it made the loss worse."""


def check(facts: Facts) -> Iterator[Finding]:
    probe, trials = facts.probe, facts.experiments
    if probe is None or trials is None or probe.optimizer is None or not own_optimizer(facts):
        raise NotApplicable("the optimizer was not the user's")
    if probe.watched:
        raise NotApplicable("no other rate was tried from the start of the script's run")
    if len(probe.losses) < 3 or not finite(probe.losses[:1]):
        raise NotApplicable("too few losses")
    first, last = real(probe.losses[0]), end(probe.losses)
    if last is not None and (first - last) > WORSE * abs(first):
        return
    better = [
        (fall, trial)
        for trial in trials.rates
        if trial.factor < 1 and (fall := relative_fall(trial.losses)) is not None and fall >= LEAST_FALL
    ]
    rate = probe.optimizer.learning_rate
    limit = 2 / trials.sharpness if trials.sharpness and trials.sharpness > 0 else None
    beyond = limit is not None and probe.optimizer.name.lower() == "sgd" and rate > limit
    if not better and not beyond:
        return
    best: tuple[float, RateTrial] | None = max(better, key=lambda pair: pair[0], default=None)
    now = "non-finite" if last is None else figure(last)
    counter = f"; at {figure(best[1].learning_rate)} it falls by {percent(best[0])} in {best[1].steps} steps" if best else ""
    curvature = f"; the curvature allows at most 2/λmax = {figure(limit)}" if beyond and limit is not None else ""
    wanted = best[1].learning_rate if best else (limit or rate) / 2
    yield Finding(
        check="learning-rate-high",
        severity="warning",
        location=probe.optimizer.location,
        message=f"At the rate of {figure(rate)} ({probe.optimizer.name}) the loss "
        f"goes from {figure(first)} to {now}{counter}{curvature}.",
        evidence={
            "learning_rate": rate,
            "first_loss": first,
            "last_loss": last,
            "better_rate": best[1].learning_rate if best else None,
            "better_fall": best[0] if best else None,
            "limit": limit,
            "sharpness": trials.sharpness,
        },
        why="The same net, data and start learn at the lower rate, so it is the rate that stands in the way."
        if best
        else "Steps longer than that overshoot the valley they are meant to descend.",
        fix=f"Use a rate near {figure(wanted)}, or warm up to {figure(rate)}.",
        code=f"torch.optim.{probe.optimizer.name}(model.parameters(), lr={wanted:.2g})",
    )
