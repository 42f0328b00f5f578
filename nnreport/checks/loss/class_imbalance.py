"""class-imbalance: one class holds nearly all labels

## Looks for
The share of the most frequent class among the user's integer labels: over 90 %, of at least 20.

## Why it matters
Always answering that class is then right nine times in ten. Accuracy says little, and the loss is dominated by it.

## How to mend it
Weigh the loss (`weight=`, `pos_weight=`), sample the rare classes more often, and look at precision and recall per
class.

## Quiet when
The labels were made up by nnreport; there are too few; they are continuous.

## Known limits
Only the batches that were looked at count. Dense targets (segmentation, detection) are unbalanced by nature: it is a
note, never more.

## Sources
SageMaker Debugger ClassImbalance (ratio over 10); deepchecks class_imbalance.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import percent
from nnreport.checks.voice import own_data
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "note"
NEEDS = ("probe",)

LIMIT = 0.9
LEAST_LABELS = 20


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    target = probe.data.target if probe and probe.data else None
    if probe is None or target is None or not own_data(facts):
        raise NotApplicable("the labels were not the user's")
    counts = {label: count for label, count in target.classes.items() if label != "-100"}
    total = sum(counts.values())
    if not counts and target.integral and target.range and target.range.minimum == 0 and target.range.maximum == 1:
        total = target.range.count
        ones = round(target.range.mean * total)
        counts = {"0": total - ones, "1": ones}
    if total < LEAST_LABELS or len(counts) < 2:
        raise NotApplicable("there are too few class labels")
    label, most = max(counts.items(), key=lambda item: item[1])
    share = most / total
    if share <= LIMIT:
        return
    batches = probe.data.batches_seen if probe.data else 0
    yield Finding(
        check="class-imbalance",
        severity="note",
        message=f"Class {label} holds {percent(share)} of {total:,} labels; the limit is {percent(LIMIT)}.",
        evidence={"share": share, "limit": LIMIT, "labels": total, "classes": len(counts), "batches": batches},
        why=f"Always answering {label} is right {percent(share)} of the time: accuracy will look good from the first step.",
        fix="Weigh the loss or the sampling by class, and judge by precision and recall.",
        code="F.cross_entropy(output, target, weight=class_weights)",
    )
