"""frozen-batchnorm-drift: trained weights over untouched statistics

## Looks for
A batch norm in loaded weights whose scale or shift was trained while its running mean is still all 0 and its running variance
all 1.

## Why it matters
In evaluation the norm subtracts 0 and divides by 1: it does nothing, though the weights after it were trained on normalised
values. The checkpoint was saved without its buffers, or the layer ran with ``momentum=0`` or was always frozen.

## How to mend it
Run some training batches through the model in training mode without a step, to collect the statistics, and save again with
``state_dict()``, which holds the buffers.

## Quiet when
The model is fresh, or the norm's own scale and shift are untouched too.

## Known limits
Data whose features really have mean 0 and variance 1 to the last digit do not exist.

## Sources
``BatchNorm`` documentation (running statistics are buffers); TrainCheck pytorch-51800 (evaluation before statistics exist).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("weights",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such norms."""
    assert facts.weights is not None
    if facts.weights.fresh:
        return
    stats = {each.name: each for each in facts.weights.stats}
    found: list[str] = []
    for name, mean in stats.items():
        if not name.endswith("running_mean") or mean.count == 0 or mean.zeros != mean.count:
            continue
        path = name.rpartition(".")[0]
        prefix = f"{path}." if path else ""
        variance, scale, shift = (stats.get(prefix + each) for each in ("running_var", "weight", "bias"))
        untouched = variance is not None and variance.minimum == 1.0 == variance.maximum
        trained = (scale is not None and scale.std > 0) or (shift is not None and shift.zeros < shift.count)
        if untouched and trained:
            found.append(path)
    if not found:
        return
    named = lookup(facts)
    yield Finding(
        check="frozen-batchnorm-drift",
        severity=SEVERITY,
        message=(
            f"{spread_names(found)} {'has' if len(found) == 1 else 'have'} trained scale or shift over running "
            f"statistics of exactly 0 and 1"
        ),
        module=found[0],
        modules=found,
        location=named.class_line(found[0]),
        evidence={"norms": len(found), "running_mean": 0.0, "running_var": 1.0},
        why="In evaluation these norms do nothing, while the weights after them were trained on normalised values.",
        fix="Collect the statistics with some batches in training mode (no steps), and save the whole state_dict, buffers too.",
    )
