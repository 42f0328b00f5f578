"""Did the probe's net learn? The one verdict that many checks ask for before they raise their voice.

A loss that falls proves little: a net that ignores its input still learns the labels' mean. What counts is whether
the loss went below that of the best constant prediction (``Experiments.baseline_loss``); only where that is unknown
does the fall itself decide.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nnreport.checks.series import finite, median
from nnreport.facts import Facts, Number

LEAST_FALL = 0.10
"""A smaller relative fall is no learning: healthy nets on pure noise fell by 14-28 % in 30 steps."""
BELOW_BASELINE = 0.05
"""A loss this far (relative) under the best constant prediction's has used the input."""
ENOUGH_STEPS = 10
"""With fewer steps nothing is said."""
SETTLING = 3
"""Losses whose median is taken as the end of a run: one step may jump."""


class Learning(msgspec.Struct, frozen=True):
    """What the losses say."""

    first: float
    """Loss before the first step."""
    last: float
    """Median of the run's last losses."""
    best: float
    """Lowest end of all runs of the same net and optimizer: the probe, its continuation, its second seed, its eval losses."""
    fall: float
    """Relative fall of the probe, ``(first - last) / |first|``."""
    best_fall: float
    """The same for the best of the runs."""
    steps: int
    """Steps of the longest run."""
    baseline: float | None
    """Loss of the best constant prediction, if known."""
    continued: bool
    """A longer run was made."""
    fits: bool | None
    """True: it learns from its input. False: it does not. None: not settled."""


def end(losses: Sequence[Number]) -> float | None:
    """Where a run ended: the median of its last finite losses; None for a run with none, or one that ended non-finite."""
    tail = finite(losses[-SETTLING:])
    return median(tail) if tail and len(tail) == len(losses[-SETTLING:]) else None


def relative_fall(losses: Sequence[Number]) -> float | None:
    """``(first - end) / |first|`` of a run; None where that has no meaning."""
    last = end(losses)
    if last is None or len(losses) < 2 or not finite(losses[:1]):
        return None
    first = float(losses[0])
    return (first - last) / abs(first) if first else None


def learning(facts: Facts) -> Learning | None:
    """The verdict; None where no probe ran, or its first loss is not finite."""
    probe, trials = facts.probe, facts.experiments
    if probe is None or not finite(probe.losses[:1]):
        return None
    first = float(probe.losses[0])
    last = end(probe.losses)
    ends = [last if last is not None else float("inf")]
    steps, continued, baseline = probe.done, False, None
    if trials is not None:
        baseline = trials.baseline_loss
        for run in (trials.longer_losses, trials.second_seed):
            found = end(run)
            if found is not None:
                ends.append(found)
        continued = len(trials.longer_losses) > SETTLING
        steps += len(trials.longer_losses)
    if len(probe.eval_losses) == 2 and len(finite(probe.eval_losses)) == 2:
        before, after = finite(probe.eval_losses)
        if before - after > LEAST_FALL * abs(before):  # dropout hides in train mode what was learnt
            ends.append(after + first - before)
    best = min(ends)
    scale = abs(first) or 1.0
    fall, best_fall = (first - ends[0]) / scale, (first - best) / scale
    return Learning(
        first=first,
        last=ends[0],
        best=best,
        fall=fall,
        best_fall=best_fall,
        steps=steps,
        baseline=baseline,
        continued=continued,
        fits=_fits(first, best, best_fall, baseline, continued, probe.done),
    )


def _fits(first: float, best: float, fall: float, baseline: float | None, continued: bool, done: int) -> bool | None:
    if done < ENOUGH_STEPS:
        return None
    if baseline is None or baseline <= 0:
        return fall >= LEAST_FALL
    if best < baseline * (1 - BELOW_BASELINE) and fall >= LEAST_FALL / 2:
        return True
    if fall < LEAST_FALL or continued:
        return False
    return None


def fits(facts: Facts) -> bool | None:
    """:attr:`Learning.fits`, None where there is no verdict."""
    verdict = learning(facts)
    return verdict.fits if verdict else None
