"""loss-error: the loss raises

## Looks for
An exception in the user's loss, given the model's output and the user's target, that no other check of this group
names.

## Why it matters
Training stops at its first step.

## How to mend it
Compare the shapes and types that the message names with what the loss's documentation asks for; `cross_entropy` wants
classes on axis 1 and integer targets without that axis.

## Quiet when
The labels' range or type, or probabilities where logits came, explain it (`label-range`, `label-dtype`,
`logits-with-bce`, `single-logit-cross-entropy`).

## Known limits
With synthetic targets the made-up target may be what does not fit: then it is a warning.

## Sources
PyTorch documentation of torch.nn.functional's losses.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import sentence
from nnreport.checks.loss._output import EXPLAINED, loss_failure
from nnreport.checks.series import capital
from nnreport.checks.voice import loss_phrase, own_data
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("failures",)

NO_LOSS_FITS = "the model's output has no floating tensor"
"""Said of an inferred loss alone: it is no fault of the loss."""


def check(facts: Facts) -> Iterator[Finding]:
    failure = loss_failure(facts)
    if failure is None:
        raise NotApplicable("the loss raised nothing")
    if any(phrase in failure.message for phrase in EXPLAINED):
        return
    if NO_LOSS_FITS in failure.message:
        raise NotApplicable("the output carries no gradient, which backward-error tells; no loss was given")
    output = facts.probe.output if facts.probe else None
    target = facts.probe.data.target if facts.probe and facts.probe.data else None
    evidence: dict = {"exception": failure.exception, "operation": failure.operation}
    shapes = ""
    if output is not None and output.tensor is not None:
        evidence["output"] = f"{output.tensor.dtype}{output.tensor.shape}"
        shapes += f" for an output of shape {tuple(output.tensor.shape)}"
    if target is not None and target.tensor is not None:
        evidence["target"] = f"{target.tensor.dtype}{target.tensor.shape}"
        shapes += f" and a target of shape {tuple(target.tensor.shape)} ({target.tensor.dtype})"
    first = next((line for line in failure.message.splitlines() if line.strip()), "")
    yield Finding(
        check="loss-error",
        severity="error" if own_data(facts) else "warning",
        module=None,
        location=failure.location,
        message=(
            f"{capital(first)}{shapes}"
            if failure.exception == "LossError"  # nothing was raised: what came back is no loss
            else f"{capital(loss_phrase(facts))} raises {failure.exception}{shapes}: {first}"
        ),
        evidence=evidence,
        why="No training step can be made with it.",
        fix=sentence(failure.hint) or "Give output and target the shapes and types that this loss takes.",
    )
