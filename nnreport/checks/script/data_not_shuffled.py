"""data-not-shuffled: the labels come in the order of their classes

## Looks for
The class labels of the training batches in the order in which they came: neighbours differ less than a quarter as
often as in a shuffled order of the same labels, and a batch holds less than half of the classes that it would. The
loader goes through its data in their order; without a loader the labels must be sorted from the first to the last.

## Why it matters
Each batch teaches one class and unlearns the others; batch normalisation learns statistics of single classes. The
loss looks small all the time, for guessing the class of the last batch is easy.

## How to mend it
`DataLoader(…, shuffle=True)`; without a loader `torch.randperm(len(x))` in every epoch.

## Quiet when
The loader shuffles, or has a sampler or batch sampler of its own; labels belong to positions, not to samples (tagging,
segmentation, language models); there are no class labels, or one class; all batches are the same; fewer than three
batches.

## Known limits
A stream of classes in time (activity recognition) that is read in its order is reported where a plain loader reads it.

## Sources
Bengio 2012, Practical Recommendations for Gradient-Based Training of Deep Architectures (shuffling); Karpathy's recipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, percent
from nnreport.facts import Facts, LabelRun, Location, Run
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST_BATCHES = 3
LEAST_LABELS = 24
FEW = 0.25
"""Changes between neighbours, of those expected of a shuffled order."""
MIXED = 0.5
"""Classes in a batch beyond the first, of those expected of a shuffled order."""
IN_ORDER = "SequentialSampler"
STREAMED = "_InfiniteConstantSampler"
"""The sampler of an iterable dataset."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    labels = run.labels if run else None
    if run is None or labels is None or labels.classes < 2 or labels.constant:
        raise NotApplicable("the training batches have no class labels that differ")
    if labels.batches < LEAST_BATCHES or labels.labels < LEAST_LABELS or labels.expected <= 0:
        raise NotApplicable("too few batches")
    if _per_position(facts, labels):
        raise NotApplicable("the labels belong to positions, not to samples")
    loaders = [loader for loader in run.loaders if loader.training]
    samplers = {loader.sampler for loader in loaders}
    if samplers - {IN_ORDER, STREAMED, ""}:
        raise NotApplicable("the loader shuffles, or has a sampler of its own")
    share = labels.changes / labels.expected
    if share >= FEW or _mixing(labels) >= MIXED or (IN_ORDER not in samplers and not labels.sorted):
        return
    loader = loaders[0] if loaders else None
    yield Finding(
        check="data-not-shuffled",
        severity="warning",
        location=loader.location if loader else _call(run),
        message=(
            f"The labels come in the order of their classes: of {labels.labels:,} in {labels.batches} batches "
            f"{labels.changes:,} differ from the one before, where a shuffled order gives {labels.expected:,.0f} "
            f"({percent(share)}; the limit is {percent(FEW)}); a batch holds {figure(labels.per_batch, 2)} of "
            f"{labels.classes} classes."
        ),
        evidence={
            "changes": labels.changes,
            "expected": labels.expected,
            "share": share,
            "limit": FEW,
            "classes": labels.classes,
            "classes_per_batch": labels.per_batch,
            "sampler": loader.sampler if loader else None,
        },
        why="Each batch teaches one class and unlearns the others.",
        fix="Shuffle the training data in every epoch.",
        code="DataLoader(dataset, batch_size=..., shuffle=True)" if loader else "order = torch.randperm(len(x))",
    )


def _per_position(facts: Facts, labels: LabelRun) -> bool:
    """There are more labels in a batch than it has samples."""
    batch = facts.probe.batch if facts.probe else 0
    return batch > 0 and labels.labels > 1.5 * batch * labels.batches


def _mixing(labels: LabelRun) -> float:
    """Classes in a batch beyond the first, of those that a shuffled order of equally frequent ones would bring."""
    size = labels.labels / labels.batches
    wanted = labels.classes * (1 - (1 - 1 / labels.classes) ** size)
    return (labels.per_batch - 1) / (wanted - 1) if wanted > 1.5 else 0.0


def _call(run: Run) -> Location | None:
    """The line that trains the model."""
    return run.models[run.main].call_location if run.models else None
