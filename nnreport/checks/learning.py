"""Did the probe's net learn? The one verdict that many checks ask for before they raise their voice.

A loss that falls proves little: a net that ignores its input still learns the labels' mean. What counts is whether
the loss went below that of the best constant prediction (``Experiments.baseline_loss``); only where that is unknown
does the fall itself decide.

The losses of a watched script have a batch of their own each: they are smoothed, and a short or noisy run proves nothing
against the net.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from nnreport.checks.series import finite, median
from nnreport.facts import Facts, Number, Probe

LEAST_FALL = 0.10
"""A smaller relative fall is no learning: healthy nets on pure noise fell by 14-28 % in 30 steps."""
MOVING = 0.02
"""A loss that fell by more than this and still falls has not been given the steps to judge it by."""
BELOW_BASELINE = 0.05
"""A loss this far (relative) under the best constant prediction's has used the input."""
ENOUGH_STEPS = 10
"""With fewer steps nothing is said."""
MANY_STEPS = 200
"""With fewer steps of a script's own nothing is said against the net."""
RESTS = 0.03
"""A loss that moved by no more than this over its last fifth, at the best constant's, has stopped there."""
SETTLING = 3
"""Losses whose median is taken as the end of a run: one step may jump."""


class Learning(msgspec.Struct, frozen=True):
    """What the losses say."""

    first: float
    """Loss before the first step."""
    last: float
    """Median of the run's last losses."""
    best: float
    """Lowest end of all runs of the net: the probe, a longer one, another seed, eval mode; at its own rate."""
    fall: float
    """Relative fall of the probe, ``(first - last) / |first|``."""
    best_fall: float
    """The same for the best of the runs, each against its own start."""
    steps: int
    """Steps of the longest run."""
    baseline: float | None
    """Loss of the best constant prediction, if known."""
    continued: bool
    """A longer run than the probe was made."""
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
    if probe.watched:
        return _watched(facts, probe)
    first, last = float(probe.losses[0]), end(probe.losses)
    runs: list[Sequence[Number]] = [probe.losses]
    falls: list[float | None] = []
    if trials is not None:
        runs.append(trials.longer_losses)
        falls += [relative_fall(trials.second_seed)]
        if len(trials.mean_losses) == 2:  # means over draws of a random loss
            falls.append(_pair_fall(trials.mean_losses))
    if len(probe.eval_losses) == 2:  # dropout hides in train mode what was learnt
        falls.append(_pair_fall(probe.eval_losses))
    ends = [found for run in runs if (found := end(run)) is not None]
    scale = abs(first) or 1.0
    lowest = min(ends, default=math.inf)
    best_fall = max([(first - lowest) / scale, *(fall for fall in falls if fall is not None)])
    longest = max(runs, key=len)
    baseline = trials.baseline_loss if trials else None
    faster = end(trials.higher_rate_losses) if trials else None
    continued = len(longest) > len(probe.losses)
    return Learning(
        first=first,
        last=last if last is not None else math.inf,
        best=min(lowest, first - best_fall * scale),
        fall=(first - last) / scale if last is not None else -math.inf,
        best_fall=best_fall,
        steps=len(longest) - 1,
        baseline=baseline,
        continued=continued,
        fits=None if probe.done < ENOUGH_STEPS else _fits(lowest, best_fall, baseline, continued, longest, faster),
    )


def smoothed(losses: Sequence[Number]) -> list[float]:
    """Medians of at most twenty stretches of a run, none shorter than :data:`SETTLING`; empty for a run that is too short, or
    not finite."""
    values = finite(losses)
    if len(values) < len(losses) or len(values) < SETTLING:
        return []
    width = max(SETTLING, len(values) // 20)
    return [median(values[i : i + width]) for i in range(0, len(values) - width + 1, width)]


def _watched(facts: Facts, probe: Probe) -> Learning:
    """The verdict on a script's own run. The trials on its model start where it ended, on one fixed batch: they can show that the
    net is able to learn, and no more."""
    means, trials = smoothed(probe.losses), facts.experiments
    first, last = (means[0], means[-1]) if means else (float(probe.losses[0]), math.inf)
    scale = abs(first) or 1.0
    fall = (first - last) / scale if means else -math.inf
    later = relative_fall(trials.longer_losses) if trials else None
    baseline = trials.baseline_loss if trials else None
    noise = median([abs(b - a) for a, b in pairwise(means)]) / scale if len(means) > 2 else math.inf
    verdict: bool | None = None
    if probe.done >= ENOUGH_STEPS and ((fall >= LEAST_FALL and fall > noise) or (later is not None and later >= LEAST_FALL)):
        verdict = True
    elif probe.done >= MANY_STEPS and later is not None and later < MOVING and baseline is not None:
        stands = abs(fall) < MOVING and last > baseline * (1 - BELOW_BASELINE)
        verdict = False if stands and noise < MOVING else None
    return Learning(
        first=first,
        last=last,
        best=min([first, *means]),
        fall=fall,
        best_fall=max(fall, later if later is not None else -math.inf),
        steps=probe.done,
        baseline=baseline,
        continued=later is not None,
        fits=verdict,
    )


def _pair_fall(pair: Sequence[Number]) -> float | None:
    """Relative fall from the first to the second of two losses."""
    if len(finite(pair)) < 2 or not float(pair[0]):
        return None
    return (float(pair[0]) - float(pair[1])) / abs(float(pair[0]))


def _fits(
    lowest: float, fall: float, baseline: float | None, continued: bool, longest: Sequence[Number], faster: float | None
) -> bool | None:
    if baseline is None or baseline <= 0:
        return fall >= LEAST_FALL
    if fall < LEAST_FALL and not continued and faster is not None and faster < baseline * (1 - BELOW_BASELINE):
        return None  # there was no time for more steps, and at ten times the rate it learns: nothing bad is known of the net
    if lowest < baseline * (1 - BELOW_BASELINE) and fall >= LEAST_FALL / 2:
        return True
    if fall < LEAST_FALL:
        return None if fall >= MOVING and _still_falling(longest) else False
    tail = finite(longest[-max(SETTLING, len(longest) // 5) :])
    resting = bool(tail) and max(tail) - min(tail) <= RESTS * abs(tail[-1])
    return False if continued and resting and lowest <= baseline * (1 + BELOW_BASELINE) else None


def _still_falling(run: Sequence[Number]) -> bool:
    """The last third of the run brought at least a quarter of its fall: it was ended on its way down."""
    losses = finite(run)
    if len(losses) < ENOUGH_STEPS:
        return False
    return losses[-len(losses) // 3] - median(losses[-SETTLING:]) >= (losses[0] - median(losses[-SETTLING:])) / 4


def fits(facts: Facts) -> bool | None:
    """:attr:`Learning.fits`, None where there is no verdict."""
    verdict = learning(facts)
    return verdict.fits if verdict else None
