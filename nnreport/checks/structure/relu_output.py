"""relu-output: the output cannot be negative, and should be

## Looks for
A ReLU as the last operation before the output that the loss reads, with a loss that takes logits, or with targets below zero.

## Why it matters
Logits must be free to be negative: after a ReLU all unlikely classes get 0, and where an output unit is dead it stays at 0
for good. In a regression, targets below zero cannot be reached at all.

## How to mend it
Let the last layer be linear.

## Quiet when
* the targets are not negative (counts, prices) and the loss is a distance;
* the loss was only guessed: a net that ends in ReLU may be a feature extractor;
* the ReLU's output is not what the loss reads.

## Known limits
The loss must be given, computed by the model, or named in its file.

## Sources
TheDeepChecker and DeepDiagnosis (output range against labels), UMLAUT.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.voice import loss_phrase, own_data, stated_loss
from nnreport.checks.walk import RELUS
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe",)
LOGIT_LOSSES = frozenset({"cross_entropy", "bce_with_logits"})


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    assert facts.probe is not None
    output, loss, data = facts.probe.output, facts.probe.loss, facts.probe.data
    if output is None or loss is None or output.activation not in RELUS:
        return
    named = lookup(facts)
    target = data.target if data else None
    lowest = target.range.minimum if target and target.range else None
    if loss.kind in LOGIT_LOSSES and stated_loss(facts):
        reason = f"{loss_phrase(facts)} takes logits, which must be free to be negative"
    elif loss.kind in ("mse", "l1") and own_data(facts) and lowest is not None and lowest < 0:
        reason = f"the targets go down to {lowest:.3g}"
    else:
        return
    yield Finding(
        check="relu-output",
        severity=SEVERITY,
        message=f"the output is a {output.activation} and so never below 0, but {reason}",
        module=output.module,
        location=named.call_line(output.module),
        evidence={"activation": output.activation, "loss": loss.kind, "lowest_target": lowest},
        why="Values below zero cannot be expressed, and an output unit that is dead stays at 0 for good.",
        fix="Leave the last layer linear.",
        node=output.node,
    )
