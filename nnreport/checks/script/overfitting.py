"""overfitting: the validation loss rises while the training loss falls

## Looks for
At least six validation losses, of which the best came in the first two thirds, at least three before the end; since
then the validation loss has risen by over a tenth (medians of three) and by more than three times what neighbours
differ by, while the training loss fell by over a tenth, to below the validation loss.

## Why it matters
What the model has learnt since then is the training data by heart; the weights of the best point are the ones to
keep.

## How to mend it
Keep the weights of the best validation loss, and stop there. More data or augmentation, weight decay, dropout, or a
smaller model move that point further.

## Quiet when
There are too few evaluations; the rise is within the noise; the training loss does not fall, or lies above the
validation loss; losses at or below zero.

## Known limits
The script may keep the best weights by itself: that is not seen. A rising loss may go with an accuracy that still
rises (a model that grows too sure).

## Sources
Prechelt 1998, Early Stopping - But When?; Guo et al. 2017, On Calibration of Modern Neural Networks (loss against
accuracy).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from nnreport.checks.script._words import in_report, model_name
from nnreport.checks.series import figure, median, percent, reals
from nnreport.facts import Facts, Series
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST = 6
"""Evaluations with a loss."""
RISE = 0.10
"""Relative, of the validation loss since its best."""
NOISE = 3.0
"""Times the typical difference between neighbours."""
FALL = 0.10
"""Relative, of the training loss over the same time."""
EARLY = 2 / 3
"""Share of the run within which the best must have come."""
AFTER = 3
"""Evaluations after the best, at least."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    series = run.validation if run else Series()
    if run is None or len(series.values) < LEAST:
        raise NotApplicable(f"fewer than {LEAST} evaluations with a loss")
    values = reals(series.values)
    if not all(0 < value < float("inf") for value in values):
        raise NotApplicable("validation losses that are not positive, or not finite")
    smooth = [median(values[max(0, i - 1) : i + 2]) for i in range(len(values))]
    best = max(min(range(len(values)), key=each.__getitem__) for each in (smooth, values))
    if best > EARLY * (len(values) - 1) or len(values) - 1 - best < AFTER:
        return
    low, now = smooth[best], median(values[-3:])
    noise = median([abs(b - a) for a, b in pairwise(smooth[best:])] or [0.0])
    spread = median([abs(value - middle) for value, middle in zip(values, smooth, strict=True)])
    if now < (1 + RISE) * low or now - low < NOISE * max(spread, noise if not _steady(smooth[best:]) else 0.0):
        return
    then, end = _trained(run.losses, series.steps[best]), _trained(run.losses, run.losses.steps[-1] if run.losses.steps else 0)
    if then is None or end is None or end > (1 - FALL) * then or end >= now:
        return
    model = run.models[run.main] if run.models else None
    yield Finding(
        check="overfitting",
        severity="warning",
        module=in_report(facts, run, run.main, "") if model else None,
        location=next((each.location for each in run.evaluations if each.model == run.main), None),
        message=(
            f"The validation loss of {model_name(model) if model else 'the model'} was {figure(low)} at step "
            f"{series.steps[best]} and has risen by {percent(now / low - 1)} to {figure(now)}, while the training loss fell from "
            f"{figure(then)} to {figure(end)}; the limits are {percent(RISE)} up and {percent(FALL)} down."
        ),
        evidence={
            "best_validation_loss": low,
            "best_step": series.steps[best],
            "validation_loss": now,
            "rise": now / low - 1,
            "limit": RISE,
            "training_loss_then": then,
            "training_loss": end,
        },
        why="Since that step it learns the training data by heart.",
        fix=f"Keep the weights of step {series.steps[best]}; stop when the validation loss no longer falls; regularise.",
        code="if val_loss < best:\n    best = val_loss\n    torch.save(model.state_dict(), 'best.pt')",
    )


def _steady(values: list[float]) -> bool:
    """It hardly ever falls: then neighbours differ by the rise itself, and that is no noise."""
    steps = [b - a for a, b in pairwise(values)]
    return bool(steps) and sum(step >= 0 for step in steps) >= 0.8 * len(steps)


def _trained(losses: Series, step: int) -> float | None:
    """The training loss around a step: the median of a tenth of all, at least five, up to and about it."""
    pairs = [(s, v) for s, v in zip(losses.steps, reals(losses.values), strict=True) if v == v]
    if not pairs:
        return None
    width = max(5, len(pairs) // 10)
    nearest = sorted(pairs, key=lambda pair: abs(pair[0] - step))[:width]
    return median([v for _, v in nearest])
