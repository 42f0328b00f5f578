"""underfitting: after many steps no better than a constant answer

## Looks for
A run of at least 200 steps (500 where the watch ended before the script) with a plain cross-entropy on class labels,
whose second half is flat, and lies within 3 % of the labels' entropy: the loss of always giving the classes' shares.
A validation loss, if there is one, must be flat as well.

## Why it matters
The model has learnt how frequent each class is, and nothing of its input.

## How to mend it
Can it learn one batch by heart? If not, something is broken (the other findings say what). If it can: a higher
learning rate, a larger model, better inputs. Are input and label of a sample still together (shuffled alike)?

## Quiet when
The run is short; the loss still falls; the rate is still being warmed up; other losses than one cross-entropy, class
weights or label smoothing; the labels are nearly all one class.

## Known limits
A task that cannot be learnt (labels that are noise) gives the same picture, and deserves it. For regression the
variance of all targets is not known, and nothing is said.

## Sources
Karpathy, A Recipe for Training Neural Networks (2019): beat the input-independent baseline.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import cut_short, in_report, model_name
from nnreport.checks.series import figure, finite, late, median, percent, slope_and_spread
from nnreport.facts import Facts, Run
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST = 200
LEAST_CUT = 500
"""Steps, where the watch ended before the script."""
CLOSE = 0.03
"""Relative distance to the best constant answer's loss."""
FLAT = 0.01
"""Relative fall over the second half."""
LEAST_ENTROPY = 0.2
"""Nats: with less nearly all labels are one class."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    if run is None or run.steps < (LEAST_CUT if cut_short(facts, run) else LEAST):
        raise NotApplicable("the run was short")
    labels = run.labels
    loss = facts.probe.loss if facts.probe else None
    if labels is None or labels.entropy < LEAST_ENTROPY or labels.constant:
        raise NotApplicable("no class labels to tell a constant answer's loss by")
    if loss is None or loss.functional != ["cross_entropy"]:
        raise NotApplicable("the loss is not one cross-entropy")
    values = finite(run.losses.values)
    if len(values) != len(run.losses.values) or len(values) < 50:
        raise NotApplicable("the losses are not finite")
    second = values[len(values) // 2 :]
    now = median(second)
    if abs(now - labels.entropy) > CLOSE * labels.entropy or not _flat(second) or _warming(run):
        return
    validation = finite(run.validation.values)
    if len(validation) >= 4 and not _flat(late(validation)):  # type: ignore[arg-type]
        return
    model = run.models[run.main] if run.models else None
    yield Finding(
        check="underfitting",
        severity="warning",
        module=in_report(facts, run, run.main, "") if model else None,
        location=model.call_location if model else None,
        message=(
            f"After {run.steps:,} steps {model_name(model) if model else 'the model'} does no better than always answering the "
            f"classes' shares: the loss stays at {figure(now)}, their entropy is {figure(labels.entropy)}; the limit is "
            f"{percent(CLOSE)}."
        ),
        evidence={"loss": now, "entropy": labels.entropy, "limit": CLOSE, "steps": run.steps, "classes": labels.classes},
        why="It has learnt how frequent each class is, and nothing of its input.",
        fix="See whether it can learn one batch by heart; check that inputs and labels belong together; raise the rate.",
    )


def _flat(values: list[float]) -> bool:
    """It does not fall by more than a hundredth from its beginning to its end."""
    slope, _ = slope_and_spread(values)
    return slope * (len(values) - 1) > -FLAT * abs(median(values))


def _warming(run: Run) -> bool:
    """The learning rate still rises in the second half."""
    rates = finite(run.rates.values)
    return len(rates) >= 4 and rates[-1] > 1.05 * rates[len(rates) // 2]
