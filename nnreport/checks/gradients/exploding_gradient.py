"""exploding-gradient: gradients grow without bound

## Looks for
The norm of the whole gradient over the probe's steps: its late median over 1,000 and over three times its early one;
or a gradient that becomes non-finite while the loss is still finite.

## Why it matters
Steps taken with it throw the weights out of the region where the loss means anything; a few more and all is NaN.

## How to mend it
Lower the learning rate, scale the initial weights to their fan-in, average the loss instead of summing it, clip
(`torch.nn.utils.clip_grad_norm_`), normalise inputs and targets.

## Quiet when
A large norm stays or falls (summed losses, raw-scale regression), an early spike decays, a GradScaler looks after it,
or the loss has come down meanwhile.

## Known limits
A slow growth that stays under 1,000 within the probe's steps is not seen.

## Sources
torchmortem (≥ 1,000), torchdiag (> 100), TheDeepChecker (> 1e6), TorchLens (> 1e4): absolute limits alone flag summed
losses, hence the growth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.learning import end, learning
from nnreport.checks.series import figure, finite, late, median, reals
from nnreport.checks.voice import premise, spoken
from nnreport.facts import Facts, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

NORM = 1e3
GROWTH = 3.0
"""Late over early median norm."""
EARLY = 3
"""Steps that are early."""
LEAST_STEPS = 8
LEARNT = 0.1
"""A loss that has fallen by this share is not being thrown about: a summed CTC loss grew its gradient fourfold while it fell."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or not probe.gradient_norms:
        raise NotApplicable("no gradient was measured")
    norms = reals(probe.gradient_norms)
    losses = reals(probe.losses)
    broken = next((i for i, norm in enumerate(norms) if not math.isfinite(norm)), None)
    if broken is not None and facts.run is not None and facts.run.scaler:
        raise NotApplicable("a GradScaler leaves out the steps whose gradient is not finite")
    step = _step(probe, broken)
    if broken is not None and step is not None and all(map(math.isfinite, losses[: step + 1])):
        yield _finding(
            facts,
            f"The gradient becomes {norms[broken]} at step {step}, where the loss is still {figure(losses[step])}",
            norms,
            step,
        )
        return
    values = finite(probe.gradient_norms)
    if broken is None and len(values) < LEAST_STEPS:
        return
    if len(values) <= EARLY:
        return
    early, now = median(values[:EARLY]), median(finite(late(values)))
    if now <= NORM or now <= GROWTH * early:
        return
    if probe.watched:
        verdict = learning(facts)
        fell = verdict is not None and verdict.fall > LEARNT
    else:
        last = end(probe.losses)
        fell = last is not None and last < (1 - LEARNT) * losses[0]
    if fell:
        return
    yield _finding(facts, f"The gradient norm grows from {figure(early)} to {figure(now)}", norms, None)


def _step(probe: Probe, index: int | None) -> int | None:
    """The step of an entry of the gradient norms: a watched script has them at its observed steps alone."""
    if index is None:
        return None
    if probe.watched:
        index = probe.observed[index] if len(probe.observed) == len(probe.gradient_norms) else len(probe.losses)
    return index if index < len(probe.losses) else None


def _finding(facts: Facts, words: str, norms: list[float], step: int | None) -> Finding:
    probe = facts.probe
    values = finite(norms)
    rate = probe.optimizer.learning_rate if probe and probe.optimizer else 0.0
    name = probe.optimizer.name if probe and probe.optimizer else "the optimizer"
    worst = _worst(facts)
    return Finding(
        check="exploding-gradient",
        severity=spoken(facts, "error"),
        module=worst.rpartition(".")[0] if worst else None,
        location=probe.optimizer.location if probe and probe.optimizer and probe.optimizer.user else None,
        message=f"{words}{premise(facts)}; the limit is {figure(NORM)} and {GROWTH:g} times its early size.",
        evidence={
            "first_norm": values[0] if values else None,
            "largest_norm": max(values, default=None),
            "limit": NORM,
            "growth_limit": GROWTH,
            "step": step,
            "learning_rate": rate,
            "parameter": worst or None,
        },
        why=f"With {name} at {figure(rate)} such gradients throw the weights about, and the loss does not come down.",
        fix="Lower the learning rate, check the scale of weights, inputs and targets, average the loss, or clip the gradient.",
        code="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    )


def _worst(facts: Facts) -> str:
    """The parameter whose gradient grew largest."""
    sizes = {}
    for series in facts.probe.parameters if facts.probe else ():
        tail = finite(late(series.gradient))
        if tail:
            sizes[series.name] = median(tail)
    return max(sizes, key=sizes.__getitem__) if sizes else ""
