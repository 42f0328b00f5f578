"""low-rank-weights: a matrix that does the work of a much smaller one

## Looks for
A weight matrix whose effective rank (the exponential of the entropy of its singular values) is under 5 % of its smaller side.

## Why it matters
The layer passes a few directions only: it could be written as two thin matrices at a fraction of the price, or training has
collapsed its features.

## How to mend it
Factorise it (``W ≈ U V`` with the rank found), or look for collapse where it was trained.

## Quiet when
* the smaller side is under 32: a few directions are all that there is;
* the matrix is constant or zero (``constant-init`` speaks of that).

## Known limits
It is advice. Embeddings of rare tokens and heads of easy tasks are of low rank by nature.

## Sources
Roy & Vetterli, “The effective rank” (2007); torchmortem (ratio under 0.5 against the start), delve (layer saturation). A
freshly drawn square matrix has about 0.7.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("weights",)
SHARE = 0.05
"""Effective rank over the smaller side."""
LEAST_SIDE = 32


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such matrices."""
    assert facts.weights is not None
    found = [
        each
        for each in facts.weights.stats
        if each.kind == "parameter"
        and each.effective_rank is not None
        and each.effective_rank < SHARE
        and smaller_side(each.shape) >= LEAST_SIDE
        and each.std > 0
        and not each.identical_rows
    ]
    if not found:
        return
    named = lookup(facts)
    worst = min(found, key=lambda each: each.effective_rank or 0.0)
    path = worst.module or worst.name.rpartition(".")[0]
    side = smaller_side(worst.shape)
    rank = (worst.effective_rank or 0.0) * side
    yield Finding(
        check="low-rank-weights",
        severity=SEVERITY,
        message=f"{worst.name} has an effective rank of {rank:.1f} of {side} "
        + f"({100 * rank / side:.1f} %; limit {100 * SHARE:.0f} %)"
        + (f"; {len(found)} matrices are so" if len(found) > 1 else ""),
        module=path,
        modules=[each.module or each.name.rpartition(".")[0] for each in found],
        location=named.class_line(path),
        evidence={"effective_rank": rank, "side": side, "share": rank / side, "limit": SHARE, "matrices": len(found)},
        why="The layer passes a few directions only, at the full price in memory and time.",
        fix="Write it as two thin matrices of that rank, or look for a collapse of features in training.",
    )


def smaller_side(shape: list[int]) -> int:
    """Of the matrix that remains when all axes but the first are flattened."""
    if len(shape) < 2:
        return 0
    rest = 1
    for size in shape[1:]:
        rest *= size
    return min(shape[0], rest)
