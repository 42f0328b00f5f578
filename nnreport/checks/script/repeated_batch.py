"""repeated-batch: the loader gives the same batch at every step

## Looks for
A training loader all of whose batches, at least five compared, equal the one before.

## Why it matters
The model sees a handful of samples out of the whole dataset, and learns them by heart.

## How to mend it
Iterate over the loader (`for batch in loader`); `next(iter(loader))` in the loop begins anew each time, and without
shuffling always gives the first batch. A dataset must use its index.

## Quiet when
One batch holds the whole dataset; one batch is fetched once and trained on (overfitting a batch as a test); batches
differ, if only by augmentation.

## Known limits
Batches of over four million elements are not compared, nor those on an accelerator.

## Sources
PyTorch documentation, torch.utils.data: each `iter(loader)` makes a new pass over the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import times
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST = 5
"""Batches compared with the one before."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for loader in run.loaders if run else ():
        if not loader.training or loader.compared < LEAST or loader.repeated < loader.compared:
            continue
        of = f" of {loader.dataset}" if loader.dataset else ""
        size = f"; it has {loader.samples:,} samples, in batches of {loader.batch}" if loader.samples and loader.batch else ""
        began = loader.epochs == 0 and loader.sampler == "SequentialSampler"
        yield Finding(
            check="repeated-batch",
            severity="warning",
            location=loader.location,
            message=(
                f"The loader{of} gives the same batch every time: {times(loader.repeated, 'batch').replace('batchs', 'batches')} "
                f"of {loader.compared} compared equal the one before{size}."
            ),
            evidence={
                "repeated": loader.repeated,
                "compared": loader.compared,
                "limit": LEAST,
                "samples": loader.samples,
                "sampler": loader.sampler or None,
            },
            why="All other samples are never seen.",
            fix="Iterate over the loader; next(iter(loader)) begins anew each time."
            if began
            else "Look at the dataset's __getitem__: does it use its index?",
            code="for x, y in loader:\n    ...",
        )
