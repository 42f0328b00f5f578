"""label-range: labels outside what the output or the loss can mean

## Looks for
The user's class indices against the width of the output (0 to C − 1), and his labels for a binary cross-entropy
against 0 to 1.

## Why it matters
An index that is no class raises on the CPU and stops a GPU with a device assert. Binary cross-entropy with logits
accepts any label in silence: the loss then falls below zero without end.

## How to mend it
Labels that count from 1: subtract 1. Otherwise make the output as wide as the classes. Labels −1 and 1: map them to 0
and 1.

## Quiet when
The labels were made up by nnreport; the loss accepted them (`ignore_index`); soft labels between 0 and 1.

## Known limits
Only the batches that were looked at count: a label that never came up is not seen.

## Sources
PyTorch documentation. Measured: BCEWithLogits with labels 0 to 3 ran to −3,387 without an error;
`binary_cross_entropy` rejects labels over 1. torch-audit flags every negative index, `ignore_index` of −100 among
them; here those count only if the loss raised.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.loss._output import CLASS_LOSSES, NOT_PROBABILITIES, OUT_OF_BOUNDS, classes, kind, loss_failure
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import own_data
from nnreport.facts import Facts, Probe, Range
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    target = probe.data.target if probe and probe.data else None
    if probe is None or target is None or target.range is None or not own_data(facts):
        raise NotApplicable("the labels were not the user's")
    family = kind(facts)
    if family in CLASS_LOSSES:
        yield from _indices(facts, probe, target.range)
    elif family in ("bce", "bce_with_logits"):
        yield from _binary(facts, probe, target.range)


def _indices(facts: Facts, probe: Probe, labels: Range) -> Iterator[Finding]:
    count, failure = classes(probe), loss_failure(facts, *OUT_OF_BOUNDS)
    if failure is None or count is None or count < 2:
        return
    low, high = int(labels.minimum), int(labels.maximum)
    if low >= 0 and high < count:  # the range is of a sample; the message has the label itself
        bad = "; one of them is no class"
    else:
        bad = ""
    from_one = low == 1 and high == count
    module = probe.output.module if probe.output else None
    yield Finding(
        check="label-range",
        severity="error",
        module=module,
        location=failure.location,
        message=f"The labels run from {low} to {high}{bad}, and the output has {count} classes, 0 to {count - 1}.",
        evidence={"lowest": low, "highest": high, "classes": count, "batches": probe.data.batches_seen if probe.data else 0},
        why="The loss raises on them (on a GPU with a device assert that names no line)."
        + (" They count from 1." if from_one else ""),
        fix="Subtract 1 from the labels." if from_one else f"Make the output {high + 1} wide, or mend the labels.",
        code="target = target - 1" if from_one else "",
    )


def _binary(facts: Facts, probe: Probe, labels: Range) -> Iterator[Finding]:
    if labels.minimum >= 0 and labels.maximum <= 1:
        return
    failure = loss_failure(facts, *NOT_PROBABILITIES)
    losses = finite(probe.losses)
    signs = labels.minimum == -1 and labels.maximum == 1
    quiet = (
        ""
        if failure
        else f", and the loss accepts them: it went from {figure(losses[0])} to {figure(losses[-1])}"
        if losses
        else ""
    )
    yield Finding(
        check="label-range",
        severity="error",
        module=probe.output.module if probe.output else None,
        location=failure.location if failure else probe.loss.location if probe.loss else None,
        message=f"The labels of a yes-or-no loss run from {figure(labels.minimum)} to "
        f"{figure(labels.maximum)}{quiet}; the limits are 0 and 1.",
        evidence={"lowest": labels.minimum, "highest": labels.maximum, "limit_low": 0.0, "limit_high": 1.0},
        why="Outside 0 to 1 the loss has no lower bound: the logits are driven to infinity.",
        fix="Map −1 and 1 to 0 and 1." if signs else "Scale the labels to 0 to 1, or use a loss over classes.",
        code="target = (target + 1) / 2" if signs else "",
    )
