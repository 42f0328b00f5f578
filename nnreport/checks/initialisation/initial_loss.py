"""initial-loss: the first loss is far above a blind guess

## Looks for
The loss before the first step against that of a uniform guess: ln C for C classes, ln 2 for a yes-or-no. A net that
has seen nothing should start near it; one that starts more than two nats above is confidently wrong.

## Why it matters
The first steps then only shrink the logits again (the hockey-stick curve), with the largest gradients of the whole
run, which is where units die and norms are spoiled.

## How to mend it
Scale the last layer's initial weights down (its logits should spread by about one or less), normalise what it reads,
or scale a tied embedding by `d_model ** -0.5`.

## Quiet when
The loss is not a cross-entropy of known width, is larger than outputs of this range can make it (further terms were
added), or is a sum; the weights come from a checkpoint. Where the loss was inferred, so that the classes are a guess,
it is but a note.

## Known limits
A loss that is summed, not averaged, is recognised only where it is the sum of the whole batch. He-initialised heads
on un-normalised ReLU features start at ln C + 0.9 in health, which is why the limit is ln C + 2 and not + 1.

## Sources
Karpathy, A Recipe for Training Neural Networks (2019), "verify loss at init"; TheDeepChecker (|L − ln C| ≥ ln C).
Weights drawn from N(0, 1) in a 784-500³-10 net gave a first loss of 9.5e4 against 2.30.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.layers import layers
from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import CLASS_LOSSES, classes
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import premise
from nnreport.facts import Facts, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe",)

EXCESS = 2.0
"""Nats above the uniform guess: logits of standard deviation s cost about s²/2, so s = 2, twice what a good head gives."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or not finite(probe.losses[:1]):
        raise NotApplicable("no finite first loss")
    if facts.weights is not None and not facts.weights.fresh:
        raise NotApplicable("the weights are not as they were drawn (a checkpoint, or training)")
    guess = uniform_guess(probe)
    if guess is None:
        raise NotApplicable("no cross-entropy of known width")
    first = float(probe.losses[0])
    expected, words = guess
    if first <= expected + EXCESS or _summed(probe, first, expected) or first > _most(probe, expected):
        return
    output = probe.output
    spread = output.range.std if output and output.range else None
    module = next((each.module for each in reversed(layers(facts).matrices) if each.fate == "output"), None)
    if module is None and output is not None:
        module = output.module or None
    evidence: dict = {"first_loss": first, "uniform_guess": expected, "limit": expected + EXCESS}
    if spread is not None:
        evidence["output_std"] = spread
    yield Finding(
        check="initial-loss",
        severity="note" if probe.loss is not None and probe.loss.source == "inferred" else "warning",  # classes may be our guess
        module=module,
        location=lookup(facts).class_line(module) if module is not None else None,
        message=(
            f"The loss starts at {figure(first)}{premise(facts, optimizer=False)}, where a blind guess over {words} costs "
            f"{figure(expected)}; the limit is {figure(expected + EXCESS)}."
        ),
        evidence=evidence,
        why=(
            "Before any training the net is already confidently wrong"
            + (f": its outputs have a standard deviation of {figure(spread)}" if spread is not None else "")
            + ". The first steps go into undoing that, with the largest gradients of the run."
        ),
        fix="Scale down the initial weights of the output layer, or normalise what it reads.",
        code=f"nn.init.normal_(self.{module}.weight, std=0.02)" if module else "",
    )


def uniform_guess(probe: Probe) -> tuple[float, str] | None:
    """(loss of the uniform guess, over what) of a plain cross-entropy; None for any other loss."""
    loss, output = probe.loss, probe.output
    if loss is None or output is None or output.tensor is None or len(loss.functional) > 1:
        return None
    shape = output.tensor.shape
    count = classes(probe)
    if loss.kind in CLASS_LOSSES and len(shape) >= 2 and count and count > 1:
        return math.log(count), f"{count} classes"
    if loss.kind in ("bce", "bce_with_logits"):
        return math.log(2), "yes and no"
    return None


def _most(probe: Probe, expected: float) -> float:
    """The largest loss that outputs of this range can give, with room for the elements that were not sampled: what lies above
    was added by another term."""
    held = probe.output.range if probe.output else None
    if held is None or probe.loss is None:
        return math.inf
    room = 1.5 * (held.maximum - held.minimum)
    if probe.loss.kind in CLASS_LOSSES:
        return expected + room
    return max(expected, abs(held.maximum), abs(held.minimum)) + room if probe.loss.kind == "bce_with_logits" else math.inf


def _summed(probe: Probe, first: float, expected: float) -> bool:
    """A loss that is the sum over the batch, or over all elements, of unremarkable ones."""
    tensor = probe.output.tensor if probe.output else None
    if tensor is None or not probe.batch:
        return False
    counts = {
        probe.batch,
        math.prod(tensor.shape),
        math.prod(tensor.shape) // max(1, tensor.shape[1] if len(tensor.shape) > 1 else 1),
    }
    user = bool(probe.loss and probe.loss.user)
    return user and any(count > 1 and first / count <= expected + EXCESS and first / count > expected / 2 for count in counts)
