"""learning-rate-low: a larger rate learns where this one stands still

## Looks for
The user's rate, at which the loss falls by less than 0.5 % in the probe, against the same steps from the same start
at ten, a hundred or a thousand times the rate: one of them brings it down by at least 10 %.

## Why it matters
At this pace the run takes a hundred times as long as it must, or ends before it has begun.

## How to mend it
Raise the rate towards the one that the finding names; use a schedule that starts high and decays.

## Quiet when
The rate is nnreport's default; a watched script, whose run was not repeated; the loss moves (ordinary low rates of
SGD with momentum do); larger rates bring no clear gain; the weights come from a checkpoint (fine-tuning wants small
steps).

## Known limits
A warm-up that starts near zero looks the same in its first steps.

## Sources
fastai's rate finder; Tuning Playbook. UMLAUT's fixed bound (< 1e-7) misses SGD at 1e-5, hence counter-runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.learning import learning, relative_fall
from nnreport.checks.series import figure, percent
from nnreport.checks.voice import own_optimizer
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "experiments")

STANDS = 0.005
"""Relative fall in the probe."""
CLEAR = 0.10
"""Relative fall at the larger rate, which is more than twenty times what the user's rate reached."""
LEAST_STEPS = 15


def check(facts: Facts) -> Iterator[Finding]:
    probe, trials, verdict = facts.probe, facts.experiments, learning(facts)
    if probe is None or trials is None or probe.optimizer is None or not own_optimizer(facts):
        raise NotApplicable("the optimizer was not the user's")
    if probe.watched:
        raise NotApplicable("no other rate was tried from the start of the script's run")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("a checkpoint is fine-tuned")
    if verdict is None or probe.done < LEAST_STEPS:
        raise NotApplicable("too few steps")
    if abs(verdict.fall) >= STANDS:
        return
    better = [
        (trial, fall)
        for trial in trials.rates
        if trial.factor > 1 and (fall := relative_fall(trial.losses)) is not None and fall >= CLEAR
    ]
    if not better:
        return
    trial, fall = min(better, key=lambda pair: pair[0].factor)
    optimizer = probe.optimizer
    yield Finding(
        check="learning-rate-low",
        severity="warning",
        location=optimizer.location,
        message=(
            f"At the rate of {figure(optimizer.learning_rate)} ({optimizer.name}) the loss moves by "
            f"{percent(abs(verdict.fall))} in {probe.done} "
            f"steps; at {figure(trial.learning_rate)} it falls by {percent(fall)} in {trial.steps}. The limit is "
            f"{percent(STANDS)}."
        ),
        evidence={
            "learning_rate": optimizer.learning_rate,
            "fall": verdict.fall,
            "limit": STANDS,
            "better_rate": trial.learning_rate,
            "better_fall": fall,
        },
        why=f"The same net learns {trial.factor:g} times faster from the same start, so the rate is what holds it back.",
        fix=f"Raise the learning rate towards {figure(trial.learning_rate)}.",
        code=f"torch.optim.{optimizer.name}(model.parameters(), lr={trial.learning_rate:.2g})",
    )
