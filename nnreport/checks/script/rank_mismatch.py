"""rank-mismatch: the processes of a distributed run train different models

## Looks for
What must be the same in every process of a data-parallel run after the gradients were averaged: the norm of the
gradient at each step, and the weights at the end. They differ by over a thousandth.

## Why it matters
Each process trains a model of its own on its own share of the data; only one of them is saved.

## How to mend it
Wrap the model in `DistributedDataParallel`, and call the wrapper, not the model within. Make all changes of the model
before wrapping it. Start from the same weights in every process.

## Quiet when
There is one process; parameters are split over the processes (FSDP, tensor or pipeline parallel); too few steps can be
compared. Losses differ by nature, for each process has its own data.

## Known limits
Parallel schemes that nnreport does not know and that split parameters may be reported.

## Sources
Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, median
from nnreport.facts import Facts, RankRun
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)

TOLERANCE = 1e-3
"""Relative; sums in another order differ by 1e-5."""
LEAST = 3
"""Steps at which all measured the norm."""
SPLIT = ("FullyShardedDataParallel", "FSDPModule", "PipelineParallel", "PipelineStage", "DeepSpeedEngine")


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    if run is None or len(run.ranks) < 2:
        raise NotApplicable("one process")
    if any(name in SPLIT for model in run.models for name in model.wrapped):
        raise NotApplicable("the parameters are split over the processes")
    norms, steps = _difference(run.ranks)
    weights = _spread([rank.weights for rank in run.ranks if rank.weights is not None])
    by_norm = norms is not None and norms > TOLERANCE
    by_weight = weights is not None and weights > TOLERANCE
    if not by_norm and not by_weight:
        return
    parts = []
    if norms is not None and by_norm:
        parts.append(f"the norm of the gradient by {figure(norms)} (median of {steps} steps)")
    if weights is not None and by_weight:
        parts.append(f"the sum of the weights by {figure(weights)}")
    main = run.models[run.main] if run.models else None
    wrapped = bool(main and main.wrapped)
    yield Finding(
        check="rank-mismatch",
        severity="error",
        module="" if main else None,
        location=(main.call_location or main.location) if main else None,
        message=(
            f"The {len(run.ranks)} processes do not train one model: between them differ {' and '.join(parts)}, relative to "
            f"their mean; the limit is {TOLERANCE:g}."
        ),
        evidence={
            "gradient_norms": norms,
            "weights": weights,
            "limit": TOLERANCE,
            "ranks": len(run.ranks),
            "wrapped": wrapped,
        },
        why="Each learns from its own share of the data alone, and all but one of the results are thrown away.",
        fix="Call the wrapper in training, and change nothing in the model after wrapping it."
        if wrapped
        else "Wrap the model in DistributedDataParallel, and train the wrapper.",
        code="model = torch.nn.parallel.DistributedDataParallel(model)",
    )


def _spread(values: list[float]) -> float | None:
    """Largest minus smallest, over the mean size."""
    if len(values) < 2:
        return None
    size = sum(abs(value) for value in values) / len(values)
    return (max(values) - min(values)) / size if size else 0.0


def _difference(ranks: list[RankRun]) -> tuple[float | None, int]:
    """(median over the steps that all ranks measured of how far their gradient norms lie apart, the number of these steps)."""
    series = [dict(zip(r.gradient_norms.steps, map(float, r.gradient_norms.values), strict=False)) for r in ranks]
    shared = sorted(set.intersection(*(set(each) for each in series)))
    spreads = [found for step in shared if (found := _spread([each[step] for each in series])) is not None and found == found]
    return (median(spreads), len(spreads)) if len(spreads) >= LEAST else (None, 0)
