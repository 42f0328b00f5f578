"""grad-in-evaluation: evaluation builds graphs that nothing uses

## Looks for
Evaluations (forward passes from which no backward pass came) that ran with gradients enabled: at least half of them.

## Why it matters
Every activation is kept until the output is gone: memory and time for nothing, and the largest batch that fits is
smaller.

## How to mend it
Evaluate under `torch.no_grad()` or `torch.inference_mode()`.

## Quiet when
There is no evaluation, or it runs without gradients; a gradient is taken of its result.

## Known limits
The cost is not measured: it is a note.

## Sources
PyTorch documentation, Autograd mechanics, "Locally disabling gradient computation".
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.script._words import in_report, model_name, times
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("run",)

SHARE = 0.5
"""Of the evaluations."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for evaluation in run.evaluations if run else ():
        if run is None or not evaluation.with_gradient or evaluation.with_gradient < SHARE * evaluation.phases:
            continue
        model = run.models[evaluation.model]
        yield Finding(
            check="grad-in-evaluation",
            severity="note",
            module=in_report(facts, run, evaluation.model, ""),
            location=evaluation.location or model.location,
            message=(
                f"{model_name(model)} is evaluated with gradients enabled {evaluation.with_gradient} of "
                f"{times(evaluation.phases, 'time')}; the limit is half."
            ),
            evidence={"with_gradient": evaluation.with_gradient, "evaluations": evaluation.phases, "limit": SHARE},
            why="Activations are kept for a backward pass that never comes: memory and time for nothing.",
            fix="Evaluate under torch.no_grad().",
            code="with torch.no_grad():\n    ...  # evaluate",
        )
