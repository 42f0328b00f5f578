"""weight-outliers: a few weights far larger than the rest

## Looks for
A weight matrix whose largest element is over 50 standard deviations.

## Why it matters
8-bit quantisation spreads its 256 steps over the whole range: with one weight at 50 standard deviations, the others share a
handful of steps. In half precision such weights are where overflow begins.

## How to mend it
Quantise per channel, keep the outlier columns in higher precision (LLM.int8), or clip and fine-tune.

## Quiet when
The matrix is small (under 1,000 elements) or the outliers are not there: freshly drawn weights stay within 6.

## Known limits
It is advice; large language models have such outliers by nature.

## Sources
Dettmers et al., LLM.int8() (2022); PyTorch Numeric Suite. 50 is this project's limit: a uniform or normal matrix never passes
7.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, WeightStats
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("weights",)
RATIO = 50.0
"""Largest absolute value over the standard deviation."""
LEAST_ELEMENTS = 1000


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such matrices."""
    assert facts.weights is not None
    found = sorted(
        ((ratio(each), each) for each in facts.weights.stats if each.kind == "parameter" and len(each.shape) > 1),
        key=lambda pair: -pair[0],
    )
    found = [pair for pair in found if pair[0] > RATIO]
    if not found:
        return
    named = lookup(facts)
    worst, stats = found[0]
    path = stats.module or stats.name.rpartition(".")[0]
    yield Finding(
        check="weight-outliers",
        severity=SEVERITY,
        message=f"the largest weight of {stats.name} is {worst:.0f} standard deviations out (limit {RATIO:.0f})"
        + (f"; {len(found)} matrices have such" if len(found) > 1 else ""),
        module=path,
        modules=[each.module or each.name.rpartition(".")[0] for _, each in found],
        location=named.class_line(path),
        evidence={"ratio": worst, "limit": RATIO, "matrices": len(found)},
        why=(
            f"With 8 bits over that range, one step is {2 * worst / 255:.2g} standard deviations: most weights "
            f"fall into a few steps."
        ),
        fix="Quantise per channel, or keep the outlying columns in higher precision.",
    )


def ratio(stats: WeightStats) -> float:
    """Largest |w| over std; 0 where that says nothing."""
    if stats.count < LEAST_ELEMENTS or stats.std <= 0 or stats.nan or stats.inf:
        return 0.0
    return max(abs(stats.minimum), abs(stats.maximum)) / stats.std
