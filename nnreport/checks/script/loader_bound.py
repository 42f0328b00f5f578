"""loader-bound: the script waits for its data

## Looks for
The time that the script waited for the batches of its training loaders: over 40 % of the run, over at least 20 steps
and batches. Where a batch takes over 10 ms to come, and over half of the run goes into waiting, it is a warning, else
a note.

## Why it matters
The model, and its accelerator, stand still meanwhile.

## How to mend it
`num_workers` of a few per device, `persistent_workers=True`, `pin_memory=True` with a GPU; decode, resize and
tokenise once, in advance; give out whole batches from tensors where the data fit in memory.

## Quiet when
There is no loader; few steps; the wait is short. The start of workers is told apart: a note where they start anew in each
of at least three epochs and that takes over 40 % of the run.

## Known limits
With an accelerator that works ahead of the script, the wait may cost nothing.

## Sources
PyTorch Performance Tuning Guide, "Enable asynchronous data loading and augmentation"; Mohan et al. 2021, Analyzing and
Mitigating Data Stalls in DNN Training.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, percent
from nnreport.facts import Facts, LoaderRun, Run
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "note"
NEEDS = ("run",)

SHARE = 0.4
"""Of the run's seconds."""
LOUD = 0.5
SLOW = 0.010
"""Seconds per batch."""
LEAST = 20
"""Steps, and batches."""
EPOCHS = 3
"""Passes over the data, before workers that start in each are told of."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    loaders = [loader for loader in run.loaders if loader.training] if run else []
    if run is None or not loaders or run.steps < LEAST or sum(loader.batches for loader in loaders) < LEAST:
        raise NotApplicable("no loader, or too few steps")
    if run.seconds <= 0:
        raise NotApplicable("the run was not timed")
    waited = sum(loader.waited - loader.starting for loader in loaders)
    share = min(waited / run.seconds, 1.0)
    if share <= SHARE:
        yield from _starting(run, loaders)
        return
    slowest = max(loaders, key=lambda loader: loader.waited - loader.starting)
    each = (slowest.waited - slowest.starting) / max(slowest.batches, 1)
    workers = slowest.workers
    yield Finding(
        check="loader-bound",
        severity="warning" if share > LOUD and each > SLOW else "note",
        location=slowest.location,
        message=(
            f"{percent(share)} of the run goes into waiting for batches, {figure(1000 * each)} ms each "
            f"({slowest.dataset or 'the loader'}, {workers or 'no'} worker{'' if workers == 1 else 's'}); the limit is "
            f"{percent(SHARE)}."
        ),
        evidence={
            "share": share,
            "limit": SHARE,
            "waited": waited,
            "seconds": run.seconds,
            "seconds_per_batch": each,
            "workers": workers,
            "batches": slowest.batches,
        },
        why="The model stands still while it waits.",
        fix="Let workers prepare the batches, and do what can be done once in advance."
        if not workers
        else "Make a sample cheaper (decode and resize in advance), or use more workers.",
        code="DataLoader(dataset, num_workers=4, persistent_workers=True)" if not workers else "",
    )


def _starting(run: Run, loaders: list[LoaderRun]) -> Iterator[Finding]:
    """Workers that are started anew in every epoch."""
    slowest = max(loaders, key=lambda loader: loader.starting)
    share = slowest.starting / run.seconds
    if slowest.epochs < EPOCHS or share <= SHARE:
        return
    each = slowest.starting / slowest.epochs
    yield Finding(
        check="loader-bound",
        severity="note",
        location=slowest.location,
        message=(
            f"{percent(min(share, 1.0))} of the run goes into starting the loader's {slowest.workers} workers anew in each of "
            f"{slowest.epochs} epochs, {figure(each)} s each ({slowest.dataset or 'the loader'}); the limit is {percent(SHARE)}."
        ),
        evidence={"share": share, "limit": SHARE, "starting": slowest.starting, "seconds": run.seconds, "epochs": slowest.epochs},
        why="The model stands still while they start.",
        fix="Let the workers live on from one epoch to the next.",
        code="DataLoader(dataset, num_workers=4, persistent_workers=True)",
    )
