"""collapsed-features: from some layer on all samples look alike

## Looks for
A layer whose output does not differ between samples (relative spread under 1e-4 at every late probe step) though its
input did, and after which nothing on the way to the output differs either.

## Why it matters
Whatever comes after can only learn one answer for all. The first such layer is where the input is lost.

## How to mend it
Look at that layer: dead ReLUs, weights near zero, a softmax over the wrong axis, a mean over the batch, a bias that
drowns the signal.

## Quiet when
Differences come back later (positional and constant parts, gates, masks, residual branches that start at zero); the
input's own spread is small; the net learns; fewer than three late measurements.

## Known limits
Layers that run beside the main path (auxiliary heads executed last) can hide a collapse on it.

## Sources
torchmortem and Delve look at the rank of a layer's output, which is bounded by the batch and flags healthy narrow
nets; the spread over the batch is the part of it that decides. Measured: 1e-5 in eval mode with fresh BatchNorm
statistics where train mode gives 0.6, hence train mode here.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure, finite, late
from nnreport.checks.voice import premise
from nnreport.facts import ActivationSeries, Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe",)

COLLAPSED = 1e-4
"""Relative spread between samples; the same limit as for a constant output."""
ALIVE = 1e-2
"""What came before must have told samples apart by this much."""
LEAST = 3
"""Late measurements, and watched layers."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    watched = [each for each in probe.activations if finite(each.spread)] if probe else []
    if len(watched) < 2 or probe is None or len(probe.observed) < LEAST or probe.batch < 2:
        raise NotApplicable("too few layers, samples or steps were watched")
    spreads = [max(finite(late(each.spread)), default=None) for each in watched]
    last = [each for each, spread in zip(watched, spreads, strict=True) if spread is not None]
    values = [spread for spread in spreads if spread is not None]
    if len(values) < 2 or values[-1] >= COLLAPSED or fits(facts) is True:
        return
    first = len(values)
    while first and values[first - 1] < COLLAPSED:
        first -= 1
    if first == 0 or max(values[:first]) < ALIVE:
        return
    if _zero_head(last[first:], values[first:]):
        return
    lead, before = last[first], last[first - 1]
    names = lookup(facts)
    modules = list(dict.fromkeys(each.module for each in last[first:]))
    yield Finding(
        check="collapsed-features",
        severity="warning",
        module=lead.module,
        modules=modules,
        location=lead.location if lead.location and lead.location.user else names.call_line(lead.module),
        message=(
            f"From {names.label(lead.module)} on all samples look alike{premise(facts)}: the spread between samples falls from "
            f"{figure(values[first - 1])} at {before.module or 'the layer before'} to {figure(values[first])}; the limit "
            f"is {figure(COLLAPSED)}."
        ),
        evidence={
            "spread": values[first],
            "spread_before": values[first - 1],
            "limit": COLLAPSED,
            "output_spread": values[-1],
            "samples": probe.batch,
        },
        why="The output is the same for every sample, so the loss can only learn the labels' mean.",
        fix=f"Look at {lead.module or 'this layer'}: its bias, the scale of its weights, dead units, and the axes it works over.",
    )


def _zero_head(after: list[ActivationSeries], values: list[float]) -> bool:
    """Only the last layer collapsed, and to exactly nothing: a head that starts at zero and has not moved yet."""
    return len(after) == 1 and values[0] == 0 and all(float(each) == 0 for each in after[0].std if isinstance(each, float))
