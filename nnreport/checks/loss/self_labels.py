"""self-labels: the model is trained towards its own output

## Looks for
Targets that are computed from the model's own output.

## Why it matters
The loss is small whatever the net does; with a gradient through the target the shortest way down is a constant
output.

## How to mend it
Take the targets from the data. For self-training on purpose, `detach()` the target and take it from another network
(an average of the weights).

## Quiet when
The targets come from the data, or are the input (autoencoders). With a loss of the user's own, which may well be
self-training, it is a warning.

## Known limits
Targets that were computed from the output before the batch reached nnreport cannot be told from labels.

## Sources
Grill et al. 2020 (BYOL) on collapse; Karpathy's recipe on verifying what goes into the loss.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, finite
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    target = probe.data.target if probe and probe.data else None
    if probe is None or target is None:
        raise NotApplicable("there is no target")
    if not target.from_output:
        return
    custom = probe.loss is None or probe.loss.kind in ("custom", "surrogate")
    losses = finite(probe.losses[:1])
    start = f"; the loss starts at {figure(losses[0])}" if losses else ""
    yield Finding(
        check="self-labels",
        severity="warning" if custom else "error",
        module=probe.output.module if probe.output else None,
        location=probe.loss.location if probe.loss else None,
        message=f"The target is computed from the model's own output{start}.",
        evidence={"from_output": True, "first_loss": losses[0] if losses else None},
        why="Agreeing with itself is no task: the loss says nothing about the data.",
        fix="Take the targets from the data; for self-training use another network's output, detached.",
        code="with torch.no_grad():\n    target = teacher(x)",
    )
