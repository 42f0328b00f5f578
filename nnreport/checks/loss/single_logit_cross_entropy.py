"""single-logit-cross-entropy: cross-entropy over one class is always zero

## Looks for
`cross_entropy` or `nll_loss` on an output whose class axis has size 1.

## Why it matters
Softmax over a single number is 1, whatever the number: the loss is exactly 0, its gradient exactly 0, and nothing is
ever learnt. The loss curve looks perfect.

## How to mend it
For yes or no from one number use `binary_cross_entropy_with_logits` and float labels, or give the output one column
per class.

## Quiet when
The loss is another one. If the loss was only inferred it is a note.

## Known limits
A class axis other than 1 or the last is not recognised.

## Sources
AutoTrainer checks the output's width against the loss. Measured: loss 0 and gradient 0 at every step.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import CLASS_LOSSES, classes, kind
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import loss_phrase, loss_severity
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.output is None or probe.output.tensor is None or kind(facts) not in CLASS_LOSSES:
        raise NotApplicable("the loss is over no classes")
    shape = probe.output.tensor.shape
    if len(shape) < 2 or classes(probe) != 1:
        return
    losses = finite(probe.losses[:1])
    start = f": the loss is {figure(losses[0])} whatever it says" if losses else ""
    yield Finding(
        check="single-logit-cross-entropy",
        severity=loss_severity(facts),
        module=probe.output.module,
        location=lookup(facts).call_line(probe.output.module),
        node=probe.output.node,
        message=f"The output has shape {tuple(shape)}, one class, and {loss_phrase(facts)} runs over it{start}.",
        evidence={"classes": 1, "loss": losses[0] if losses else None},
        why="Softmax over one number is always 1, so loss and gradient are exactly zero.",
        fix="Use binary_cross_entropy_with_logits with float labels, or one output per class.",
        code="loss = F.binary_cross_entropy_with_logits(output.squeeze(1), target.float())",
    )
