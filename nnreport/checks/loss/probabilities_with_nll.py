"""probabilities-with-nll: nll_loss on something that is no log-probability

## Looks for
`nll_loss`, which takes log-probabilities, on an output whose exponentials do not sum to one over the classes:
probabilities (a softmax in place of a log-softmax) or raw logits.

## Why it matters
On probabilities the loss is −p: it starts near −1/C, is negative, and its gradient is tiny where the net is wrong. On
logits it has no lower bound at all: it is minimised by letting them grow.

## How to mend it
End in `log_softmax`, or use `cross_entropy` on the logits.

## Quiet when
The output is log-probabilities over the classes. If the loss was only inferred it is a note; one named in the model's
file makes it a warning.

## Known limits
Log-probabilities that sum to one over several axes together are not recognised.

## Sources
CodeGuru avoid_softmax_with_nllloss. Measured: softmax with NLLLoss starts at −0.098 in place of 2.30 and ends near
−1.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.loss._output import class_axis, classes, kind, normalised_over_classes
from nnreport.checks.series import capital, figure, finite
from nnreport.checks.voice import loss_phrase, loss_severity
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.output is None or kind(facts) != "nll":
        raise NotApplicable("the loss is no nll_loss")
    output, count, axis = probe.output, classes(probe), class_axis(probe)
    if count is None or count < 2 or output.log_sums_to_one == axis or output.activation == "log_softmax":
        return
    what = "probabilities" if normalised_over_classes(probe, output) else "unnormalised numbers"
    losses = finite(probe.losses[:1])
    evidence: dict = {"classes": count, "activation": output.activation, "sums_to_one": output.sums_to_one is not None}
    if losses:
        evidence["first_loss"] = losses[0]
    if output.range is not None:
        evidence |= {"minimum": output.range.minimum, "maximum": output.range.maximum}
    start = f"; the loss starts at {figure(losses[0])}" if losses else ""
    yield Finding(
        check="probabilities-with-nll",
        severity=loss_severity(facts),
        module=output.module,
        location=lookup(facts).call_line(output.module),
        node=output.node,
        message=f"{capital(loss_phrase(facts))} takes log-probabilities, and the output is {what}{start}.",
        evidence=evidence,
        why=(
            "The loss is then minus the probability: hardly any gradient where the net is wrong."
            if what == "probabilities"
            else "The loss has no lower bound then: letting the numbers grow minimises it."
        ),
        fix="End in log_softmax over the classes, or use cross_entropy on the logits.",
        code="return F.log_softmax(logits, dim=1)",
    )
