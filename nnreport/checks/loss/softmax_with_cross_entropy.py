"""softmax-with-cross-entropy: softmax is applied twice

## Looks for
A loss of the cross-entropy family, which applies log-softmax itself, on an output that is a distribution already: it
sums to one over the classes, or a softmax or sigmoid computed it.

## Why it matters
The loss cannot come under ln(1 + (C − 1)/e), 1.461 for ten classes, however certain the net is, and the gradient
shrinks by the softmax's own slope. The net learns slowly and looks as if it had stopped.

## How to mend it
Return the logits from `forward`; apply softmax where probabilities are wanted, outside training. Or keep it and use
`nll_loss(torch.log(p))`.

## Quiet when
The output is log-probabilities (log-softmax twice changes nothing); the loss is not of this family; the softmax is
inside the net (attention). If the loss was only inferred it is a note; a loss named in the model's file makes it a
warning.

## Known limits
A net that is trained elsewhere on other terms, and whose softmax is for inference only, is flagged when the user
names cross_entropy.

## Sources
PyTorch #55902 (maintainers on the missing warning); CodeGuru redundant_softmax; Stack Overflow 44758894. Measured:
the floor of 0.551 (3 classes) shows as a plateau at 0.553–0.569 with 99 % accuracy; that of ten classes is 1.461.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import class_axis, classes, kind, normalised_over_classes
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import loss_phrase, loss_severity
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

ACTIVATIONS = frozenset({"softmax", "sigmoid", "hardsigmoid"})


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.output is None or kind(facts) != "cross_entropy":
        raise NotApplicable("the loss is no cross-entropy")
    output, count = probe.output, classes(probe)
    if count is None or count < 2:
        raise NotApplicable("the output has no classes")
    distribution = normalised_over_classes(probe, output)
    other_axis = output.sums_to_one is not None and output.sums_to_one != class_axis(probe)
    if not distribution and (output.activation not in ACTIVATIONS or other_axis):
        return
    floor = math.log1p((count - 1) / math.e)
    what = output.activation if output.activation in ACTIVATIONS else "softmax"
    evidence: dict = {"classes": count, "floor": floor, "activation": output.activation, "sums_to_one": distribution}
    losses = finite(probe.losses)
    if losses:
        evidence["lowest_loss"] = min(losses)
    undone = finite(facts.experiments.without_softmax) if facts.experiments else []
    counter = ""
    if undone and losses:
        evidence["lowest_loss_without"] = min(undone)
        counter = (
            f" In {len(undone) - 1} steps the loss reached {figure(min(losses))}, with the {what} undone {figure(min(undone))}."
        )
    names = lookup(facts)
    node = (
        next((each for each in facts.graph.nodes if each.id == output.node), None)
        if facts.graph and output.node is not None
        else None
    )
    location = node.location if node is not None and node.location is not None else names.call_line(output.module)
    shown = "each output a probability" if what != "softmax" else f"sums to one over its {count} classes"
    yield Finding(
        check="softmax-with-cross-entropy",
        severity=loss_severity(facts),
        module=output.module,
        location=location,
        node=output.node,
        message=(
            f"The output already went through {what} ({shown}), and {loss_phrase(facts)} applies softmax again: the loss "
            f"cannot come "
            f"under {figure(floor, 4)}."
        ),
        evidence=evidence,
        why=f"ln(1 + ({count} − 1)/e) = {figure(floor, 4)} is the loss of a net that is certain and right." + counter,
        fix="Return the logits from forward, and apply softmax only where probabilities are wanted.",
        code="logits = model(x)\nloss = F.cross_entropy(logits, target)\n"
        "probabilities = logits.softmax(dim=1)  # outside training",
    )
