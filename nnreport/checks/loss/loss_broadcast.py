"""loss-broadcast: prediction and target are silently broadcast

## Looks for
Inside the loss, the output and the user's target of different rank, such as (N, 1) and (N,), combined to a table that
is larger than both.

## Why it matters
Every prediction is then compared with every target. The loss is minimised by predicting the targets' mean for all,
and settles on their variance.

## How to mend it
Bring both to one shape: `output.squeeze(-1)`, or `target.unsqueeze(-1)`.

## Quiet when
The target was made up by nnreport; the result is no larger than the prediction (mixture densities against one
target); both have the same rank (pairwise losses are written so on purpose).

## Known limits
Broadcasts of equal rank, (N, 1) against (1, N), are taken to be meant.

## Sources
PyTorch's own UserWarning of mse_loss. Measured: the loss settled at 6.57 where the targets' variance was 6.585, and
the outputs' standard deviation at 0.04.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure, finite
from nnreport.checks.voice import own_data
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.loss is None or not own_data(facts):
        raise NotApplicable("the target was not the user's")
    shapes = probe.loss.broadcast
    for prediction, target in zip(shapes[::2], shapes[1::2], strict=False):
        together = broadcast(prediction, target)
        if together is None or len(prediction) == len(target) or together in (prediction, target):
            continue
        variance = probe.data.target.variance if probe.data and probe.data.target else None
        evidence: dict = {"prediction": str(tuple(prediction)), "target": str(tuple(target)), "table": str(tuple(together))}
        if variance is not None:
            evidence["target_variance"] = variance
        losses = finite(probe.losses)
        if losses:
            evidence["last_loss"] = losses[-1]
        longer = "output.squeeze(-1)" if len(prediction) > len(target) else "output.unsqueeze(-1)"
        floor = f" It cannot come far under the targets' variance, {figure(variance)}." if variance is not None else ""
        module = probe.output.module if probe.output else ""
        yield Finding(
            check="loss-broadcast",
            severity="error",
            module=module,
            location=probe.loss.location or lookup(facts).call_line(module),
            message=(
                f"The loss compares a prediction of shape {tuple(prediction)} with a target of shape {tuple(target)}: "
                f"they are broadcast to "
                f"{tuple(together)}."
            ),
            evidence=evidence,
            why="Every prediction is held against every target, which is minimised by their mean for all." + floor,
            fix="Give prediction and target the same shape.",
            code=f"loss = {probe.loss.name or 'criterion'}({longer}, target)",
        )
        return


def broadcast(a: list[int], b: list[int]) -> list[int] | None:
    """The shape of ``a`` and ``b`` broadcast together; None if they do not fit."""
    sizes = []
    for x, y in zip_longest(reversed(a), reversed(b), fillvalue=1):
        if x != y and 1 not in (x, y):
            return None
        sizes.append(max(x, y))
    return sizes[::-1]
