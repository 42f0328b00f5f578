"""sigmoid-with-bce-logits: sigmoid is applied twice

## Looks for
`binary_cross_entropy_with_logits`, which applies a sigmoid itself, on an output that a sigmoid or softmax computed.

## Why it matters
A probability between 0 and 1 becomes one between 0.5 and 0.73: the net cannot say no, and the loss of a negative
cannot come under ln 2 = 0.693.

## How to mend it
Return the logits from `forward`, or keep the sigmoid and use `binary_cross_entropy`.

## Quiet when
The output is not bounded by a sigmoid. If the loss was only inferred it is a note; one named in the model's file
makes it a warning.

## Known limits
Outputs that are clamped or scaled into 0 to 1 by other means are not seen.

## Sources
PyTorch documentation of BCEWithLogitsLoss; CodeGuru; neurarch-lint. ln 2 and ln(1 + 1/e) = 0.313 are the floors of a
negative and of a positive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import BOUNDED, kind
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import loss_phrase, loss_severity
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.output is None or kind(facts) != "bce_with_logits":
        raise NotApplicable("the loss is no binary_cross_entropy_with_logits")
    output = probe.output
    if output.activation not in BOUNDED:
        return
    held = output.range
    if held is not None and (held.minimum < 0 or held.maximum > 1):
        return
    names = lookup(facts)
    node = (
        next((each for each in facts.graph.nodes if each.id == output.node), None)
        if facts.graph and output.node is not None
        else None
    )
    losses = finite(probe.losses)
    evidence: dict = {"activation": output.activation, "floor_negative": math.log(2), "floor_positive": math.log1p(1 / math.e)}
    if losses:
        evidence["lowest_loss"] = min(losses)
    undone = finite(facts.experiments.without_softmax) if facts.experiments else []
    counter = ""
    if undone and losses:
        evidence["lowest_loss_without"] = min(undone)
        counter = f" The loss reached {figure(min(losses))}, with the {output.activation} undone {figure(min(undone))}."
    yield Finding(
        check="sigmoid-with-bce-logits",
        severity=loss_severity(facts),
        module=output.module,
        location=node.location if node is not None and node.location is not None else names.call_line(output.module),
        node=output.node,
        message=(
            f"The output already went through {output.activation}, and {loss_phrase(facts)} applies sigmoid again: no "
            f"output can mean less "
            f"than 0.5, and a negative costs at least ln 2 = {math.log(2):.3f}."
        ),
        evidence=evidence,
        why="Between 0.5 and 0.73 is all that the loss ever sees, so negatives can never be learnt." + counter,
        fix="Return the logits from forward, or keep the sigmoid and use binary_cross_entropy.",
        code="logits = model(x)\nloss = F.binary_cross_entropy_with_logits(logits, target)",
    )
