"""loss-floor: the loss settles on a number that names its cause

## Looks for
A loss that has stopped moving within 2 % of a value that a known mistake produces: ln(1 + (C − 1)/e) with
cross-entropy on probabilities; the targets' variance where prediction and target are broadcast; exactly 0 because all
of the user's labels are one and the same; below zero where the loss cannot be.

## Why it matters
Each of these numbers is a proof: no other fault gives exactly it, and the curve alone looks like a net that has
merely learnt what there is.

## How to mend it
The finding names the mistake.

## Quiet when
The loss still moves, in the probe or its continuation; the number belongs to no known mistake; losses that may be
negative (densities, adversarial). ln C and the variance without a broadcast mean only that nothing was learnt:
`cannot-overfit` says that.

## Known limits
A healthy net that crosses the number slowly may be caught in passing.

## Sources
Measured: softmax into cross-entropy settled at 0.553–0.569 (floor 0.551 for 3 classes), (N, 1) against (N,) at 6.57
with a variance of 6.585, labels that were all equal at 0.0, BCE with labels 0–3 at −3,387. No other tool reads these
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.learning import end, smoothed
from nnreport.checks.loss._output import classes, kind
from nnreport.checks.series import capital, figure, finite, late, slope_and_spread
from nnreport.checks.voice import loss_phrase, loss_severity, own_data
from nnreport.facts import Facts, Number, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

CLOSE = 0.02
"""Relative distance from the floor."""
FLAT = 0.01
"""Relative movement over the last third of the run."""
ZERO = 1e-6
LEAST_STEPS = 20
LEAST_LABELS = 8
LEAST_BATCHES = 3
"""Batches of one class that make it an error: a single one may be chance."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or len(finite(probe.losses)) < LEAST_STEPS:
        raise NotApplicable("too few finite losses")
    if probe.watched:
        run: list[Number] = list(smoothed(probe.losses))
    else:
        run = [*probe.losses, *(facts.experiments.longer_losses if facts.experiments else [])]
    last = end(run)
    if last is None:
        return
    yield from _constant_labels(facts, probe, last)
    family = kind(facts)
    named = probe.loss is not None and (
        len(probe.loss.functional) == 1 or not probe.loss.user
    )  # no log-density of the user's own
    if named and last < 0 <= float(probe.losses[0]) and family in ("cross_entropy", "bce", "bce_with_logits", "mse", "l1"):
        yield _finding(
            facts,
            last,
            0.0,
            "below zero",
            f"{loss_phrase(facts)} cannot be negative on valid labels: look at their range.",
            "negative",
        )
    if not _settled(run):
        return
    count = classes(probe)
    output = probe.output
    if family == "cross_entropy" and count and count > 1 and output is not None and output.range is not None:
        floor = math.log1p((count - 1) / math.e)
        if _near(last, floor) and output.range.minimum >= 0 and output.range.maximum <= 1:
            cause = f"that is ln(1 + ({count} − 1)/e), the least that cross-entropy can give on probabilities: return logits."
            yield _finding(facts, last, floor, figure(floor, 4), cause, "probabilities")
    target = probe.data.target if probe.data else None
    if family == "mse" and probe.loss and probe.loss.broadcast and target and target.variance and _near(last, target.variance):
        cause = "that is the targets' variance, the least a broadcast loss can give: bring prediction and target to one shape."
        yield _finding(facts, last, target.variance, figure(target.variance), cause, "broadcast")


def _near(value: float, floor: float) -> bool:
    return abs(value - floor) <= CLOSE * abs(floor)


def _settled(run: list[Number]) -> bool:
    tail = finite(late(run, 1 / 3))
    slope, spread = slope_and_spread(tail)
    size = abs(tail[-1]) or 1.0
    return len(tail) >= 3 and abs(slope) * len(tail) <= FLAT * size and spread <= FLAT * size


def _constant_labels(facts: Facts, probe: Probe, last: float) -> Iterator[Finding]:
    target = probe.data.target if probe.data else None
    if target is None or not own_data(facts) or abs(last) > ZERO + 1e-3 * abs(float(probe.losses[0])):
        return
    labels = sum(target.classes.values())
    if len(target.classes) != 1 or labels < LEAST_LABELS or kind(facts) not in ("cross_entropy", "nll"):
        return
    if facts.run is not None and facts.run.labels is not None and facts.run.labels.classes > 1:
        return  # other labels came later
    only = next(iter(target.classes))
    batches = probe.data.batches_seen if probe.data else 0
    found = _finding(
        facts,
        last,
        0.0,
        "0",
        f"all {labels} labels are {only}, so a constant answer is perfect: look at how they are made.",
        "labels",
    )
    found.severity = "error" if batches >= LEAST_BATCHES else "warning"
    yield found


def _finding(facts: Facts, last: float, floor: float, words: str, cause: str, name: str) -> Finding:
    severity: Severity = loss_severity(facts) if name != "negative" or own_data(facts) else "warning"
    module = facts.probe.output.module if facts.probe and facts.probe.output else None
    return Finding(
        check="loss-floor",
        severity=severity,
        module=module,
        location=facts.probe.loss.location if facts.probe and facts.probe.loss else None,
        message=f"The loss settles at {figure(last, 4)}, {'' if name == 'negative' else 'within 2 % of '}{words}: {cause}",
        evidence={"loss": last, "floor": floor, "limit": CLOSE, "cause": name},
        why="The number is a proof: training further or at another rate cannot bring it down.",
        fix=capital(cause),
    )
