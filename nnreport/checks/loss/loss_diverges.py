"""loss-diverges: the loss runs away

## Looks for
A loss that becomes non-finite during the probe, or that ends over 10 times above its start.

## Why it matters
Training is over at that step: what the weights held is lost.

## How to mend it
Lower the learning rate first. Then look at the scale of inputs, targets and initial weights, at a loss that is summed
where it should be averaged, and at operations that can overflow.

## Quiet when
A spike comes down again; in a watched script: several optimizers (adversaries), targets that may grow with the model
(value functions), a loss of the script's own; the loss starts at nothing or below zero (adversarial and log-density
losses); the first loss is non-finite already (`non-finite`).

## Known limits
With nnreport's default optimizer and synthetic data the rate may not be the user's: then it is a warning.

## Sources
TheDeepChecker (≥ 2 × minimum), torchmortem, AutoTrainer (loss ≥ 1e3 or NaN): a factor of 10 that stays keeps
adversarial and warm-up spikes out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.learning import relative_fall
from nnreport.checks.series import figure, finite, late, median, reals
from nnreport.checks.voice import premise
from nnreport.facts import Facts, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

FACTOR = 10.0
"""Of the first loss."""
STAYS = 1 / 3
"""Share of the last steps whose median must be over the limit."""
EARLY = 10
"""First losses of a watched script, of which the largest is the yardstick."""
SUPERVISED = ("cross_entropy", "nll", "bce", "bce_with_logits", "mse", "l1")
NOTHING = 1e-6
"""A first loss this small is no yardstick."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    losses = reals(probe.losses) if probe else []
    if probe is None or len(losses) < 3:
        raise NotApplicable("too few steps")
    first = losses[0]
    if not math.isfinite(first):
        return
    broken = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if broken is not None:
        words = f"The loss starts at {figure(first)} and is {losses[broken]} after {broken} steps"
    else:
        end = median(finite(late(probe.losses, STAYS)))
        if probe.watched:
            _same_yardstick(facts, probe)
            first = max(losses[:EARLY])
        if first <= NOTHING or end <= FACTOR * first or losses[-1] <= FACTOR * first:
            return
        words = f"The loss rises from {figure(first)} to {figure(end)} (median of the last third) in {probe.done} steps"
    optimizer = probe.optimizer
    rate = optimizer.learning_rate if optimizer else 0.0
    name = optimizer.name if optimizer else "the optimizer"
    calmer = _calmer(facts)
    user = bool(probe.data and probe.data.user) or bool(optimizer and optimizer.user)
    yield Finding(
        check="loss-diverges",
        severity="error" if user else "warning",
        module=None,
        location=optimizer.location if optimizer else None,
        message=f"{words}{premise(facts)}; the limit is {FACTOR:g} times its start.",
        evidence={
            "first_loss": first,
            "last_loss": losses[-1] if math.isfinite(losses[-1]) else str(losses[-1]),
            "limit": FACTOR * first,
            "step": broken,
            "learning_rate": rate,
        },
        why=f"With {name} at {figure(rate)} the weights are thrown out of the region where the loss means anything." + calmer,
        fix="Lower the learning rate; check the scale of inputs, targets and weights, and whether the loss is a sum.",
        code=f"torch.optim.{name}(model.parameters(), lr={rate / 10:g})" if optimizer and rate else "",
    )


def _same_yardstick(facts: Facts, probe: Probe) -> None:
    """Raises NotApplicable where the loss of a script may grow in health: adversaries, and targets that grow with the model."""
    stepped = [each for each in facts.run.optimizers if each.steps] if facts.run else []
    if len(stepped) > 1:
        raise NotApplicable("several optimizers work on one another")
    if probe.loss is None or probe.loss.kind not in SUPERVISED or not probe.loss.functional:
        raise NotApplicable("the script's loss is its own, and may grow in health")
    target = probe.data.target if probe.data else None
    if probe.loss.kind in ("mse", "l1") and (target is None or target.from_output or not _from_loader(facts)):
        raise NotApplicable("the targets may grow in training")


def _from_loader(facts: Facts) -> bool:
    """The training batches came from a data loader."""
    return facts.run is not None and any(loader.training for loader in facts.run.loaders)


def _calmer(facts: Facts) -> str:
    """What a lower rate did, where that was tried."""
    if facts.probe is not None and facts.probe.watched:
        return ""
    for trial in facts.experiments.rates if facts.experiments else ():
        fall = relative_fall(trial.losses) if trial.factor < 1 else None
        if fall is not None and fall > 0:
            return f" At {figure(trial.learning_rate)} it falls by {100 * fall:.0f} % in {trial.steps} steps."
    return ""
