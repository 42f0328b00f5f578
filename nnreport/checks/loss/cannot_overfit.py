"""cannot-overfit: one fixed batch cannot be fitted

## Looks for
A loss that falls by less than 10 % while the same few samples are shown at every step and gradients flow, in the
probe, in its continuation, under a second seed, in evaluation mode and at every other learning rate that was tried.

## Why it matters
A net that cannot learn a dozen samples by heart will not learn from a million. Something between input and loss is
broken: a cut, dead or collapsed layers, a wrong loss, frozen weights.

## How to mend it
Work backwards from the loss: does the output differ between samples, does every layer get a gradient, does the loss
fit the output? Then the learning rate.

## Quiet when
The weights come from a checkpoint; another rate, another seed, more steps or evaluation mode (dropout) shows that it
can be fitted; the loss starts near zero or below it, or is a stand-in; there are fewer trainable weights than numbers
to learn by heart; too few steps, steps so small that the weights hardly moved; or no
time for a longer run (then only a loss that stood still is reported, as a
warning).

## Known limits
A watched script is judged by `underfitting` instead. Objectives that cannot fall on a fixed batch by design
(adversarial, contrastive with two samples, entropy bonuses) look the same if they stay above zero. A floor that is
part of the task (label noise on equal inputs, label smoothing) is not known.

## Sources
Karpathy's recipe ("overfit one batch"); TheDeepChecker (16 samples, 1,000 iterations); Lightning's overfit_batches.
Measured: healthy nets on pure noise fell by 14–28 % in 30 steps, large regression nets by less, hence the longer run
before anything is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.learning import LEAST_FALL, Learning, learning, relative_fall
from nnreport.checks.series import figure, finite, median, percent
from nnreport.checks.voice import premise, spoken
from nnreport.checks.walk import elements
from nnreport.facts import Facts, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

LEAST_STEPS = 20
"""Of the probe; with fewer nothing can be said."""
STANDSTILL = 0.001
"""Without a longer run only a loss that moved by less than this is reported."""
NEAR_ZERO = 1e-3
"""A first loss under this has nothing left to fall by."""
MOVED = 1e-3
"""Share of their size by which the weights must have moved in all."""
FLOWS = 1e-12
"""A gradient norm under this is none."""


def check(facts: Facts) -> Iterator[Finding]:
    probe, verdict = facts.probe, learning(facts)
    if probe is None or verdict is None or len(finite(probe.losses)) != len(probe.losses):
        raise NotApplicable("the losses are not finite")
    if probe.watched:
        raise NotApplicable("a script's batches change; underfitting speaks of its run")
    if probe.done < LEAST_STEPS:
        raise NotApplicable(f"fewer than {LEAST_STEPS} steps were made")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("the weights come from a checkpoint")
    if probe.loss is not None and probe.loss.kind == "surrogate":
        raise NotApplicable("no loss is known for this output")
    if verdict.first < NEAR_ZERO or verdict.best < 0:
        raise NotApplicable("the loss starts near zero, or goes below it")
    if verdict.best_fall >= LEAST_FALL or verdict.fits is True or _other_runs(facts) >= LEAST_FALL:
        return
    standing = abs(verdict.best_fall) < STANDSTILL
    if not verdict.continued and not standing:
        return
    if _too_few_weights(facts, probe):
        raise NotApplicable("there are fewer trainable weights than numbers to learn by heart")
    if _hardly_moved(facts, probe):
        raise NotApplicable("the steps were so small that the weights hardly moved")
    norms = finite(probe.gradient_norms)
    flows = bool(norms) and median(norms) > FLOWS
    severity: Severity = spoken(facts, "error", loss=True)
    if not verdict.continued:
        severity = "warning"
    yield _finding(facts, probe, verdict, severity, flows)


def _other_runs(facts: Facts) -> float:
    """The largest fall at any other learning rate."""
    trials = facts.experiments
    runs = [*(trial.losses for trial in trials.rates), trials.higher_rate_losses] if trials else []
    falls = [relative_fall(run) for run in runs]
    return max((fall for fall in falls if fall is not None), default=0.0)


def _too_few_weights(facts: Facts, probe: Probe) -> bool:
    """Fewer trainable weights than targets on the batch: then it need not be able to learn them by heart."""
    trainable = facts.tree.trainable if facts.tree else None
    target = probe.data.target if probe.data else None
    if trainable is None or target is None or target.tensor is None:
        return False
    return trainable < elements(target.tensor.shape)


def _hardly_moved(facts: Facts, probe: Probe) -> bool:
    """All steps together moved no weight matrix by a thousandth of its size although a gradient arrived: the rate was not given a
    chance, and nothing is known of the net."""
    moved = max(
        (median(finite(each.update)) * probe.done for each in probe.parameters if finite(each.update)),
        default=MOVED,
    )
    trials = facts.experiments
    if trials is not None:  # runs that went further, by steps and by rate
        moved *= max(1.0, len(trials.longer_losses) / probe.done, 10 * len(trials.higher_rate_losses) / probe.done)
    return moved < MOVED


def _finding(facts: Facts, probe: Probe, verdict: Learning, severity: Severity, flows: bool) -> Finding:
    trials = facts.experiments
    rates = len(trials.rates) + bool(trials.higher_rate_losses) if trials else 0
    baseline = ""
    if verdict.baseline is not None:
        baseline = f", no better than always giving the best constant ({figure(verdict.baseline)})"
    tried = f"; {rates} other learning rate{'s' * (rates > 1)} did no better" if rates else ""
    return Finding(
        check="cannot-overfit",
        severity=severity,
        module=None,
        location=None,
        message=(
            f"In {verdict.steps} steps on one fixed batch of {probe.batch} the loss went from {figure(verdict.first, 4)} to "
            f"{figure(verdict.best, 4)}, {percent(max(verdict.best_fall, 0.0))} down{premise(facts)}; the limit is "
            f"{percent(LEAST_FALL)}{tried}."
        ),
        evidence={
            "first_loss": verdict.first,
            "last_loss": verdict.best,
            "fall": verdict.best_fall,
            "limit": LEAST_FALL,
            "steps": verdict.steps,
            "batch": probe.batch,
            "baseline": verdict.baseline,
            "gradient_norm": median(finite(probe.gradient_norms)) if finite(probe.gradient_norms) else None,
            "rates_tried": rates,
        },
        why=(
            f"It does not learn {probe.batch} samples by heart{baseline}"
            + (", though gradients flow." if flows else ", and hardly any gradient arrives.")
        ),
        fix="Work backwards from the loss: does the output differ between samples, does every layer get a gradient, "
        "does the loss fit the output?",
    )
