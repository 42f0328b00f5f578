"""label-dtype: labels of a type that the loss cannot take, or takes for something else

## Looks for
The user's labels against the loss: floating-point class indices for `cross_entropy`, integer labels for a binary
cross-entropy or a regression loss that refuses them.

## Why it matters
`cross_entropy` reads integers as classes and floats as probabilities per class; of the wrong type it raises, or,
where the shapes happen to fit, computes something else.

## How to mend it
`target.long()` for class indices, `target.float()` for binary and regression targets.

## Quiet when
The labels were made up by nnreport; float targets have the shape of the output (probabilities); the loss took them.

## Known limits
Integer targets of a regression that the user's own loss converts are not looked at.

## Sources
PyTorch documentation of cross_entropy; Stack Overflow's "expected scalar type Long but found Float".
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.loss._output import CLASS_LOSSES, WRONG_DTYPE, kind, loss_failure
from nnreport.checks.voice import loss_phrase, own_data
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

INTEGERS = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    target = probe.data.target if probe and probe.data else None
    if probe is None or target is None or target.tensor is None or not own_data(facts):
        raise NotApplicable("the labels were not the user's")
    output, family, dtype = probe.output, kind(facts), target.tensor.dtype
    failure = loss_failure(facts, *WRONG_DTYPE)
    integers = dtype in INTEGERS
    same_shape = output is not None and output.tensor is not None and output.tensor.shape == target.tensor.shape
    one_wide = bool(same_shape and output and output.tensor and len(output.tensor.shape) > 1 and output.tensor.shape[1] == 1)
    if family in CLASS_LOSSES:
        indices = not integers and target.integral and not same_shape
        small = integers and dtype != "int64" and failure is not None
        if not indices and not small and not (failure is not None and not same_shape):
            return
        if one_wide:
            return  # single-logit-cross-entropy
        wanted, mend = "int64 class indices", "target.long()"
    elif failure is not None and integers:
        wanted, mend = "floating-point labels", "target.float()"
    else:
        return
    yield Finding(
        check="label-dtype",
        severity="error",
        module=None,
        location=failure.location if failure else probe.loss.location if probe.loss else None,
        message=f"The labels are {dtype} of shape {tuple(target.tensor.shape)}, and {loss_phrase(facts)} wants {wanted}.",
        evidence={
            "dtype": dtype,
            "wanted": wanted,
            "whole_numbers": target.integral,
            "raised": failure.exception if failure else None,
        },
        why="The loss raises on them." if failure else "Floats are read as probabilities per class, not as indices.",
        fix=f"Convert the labels: {mend}.",
        code=f"loss = criterion(output, {mend})",
    )
