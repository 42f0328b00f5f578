"""stale-optimizer: the optimizer holds parameters that the model no longer has

## Looks for
Parameters of an optimizer that belonged to a model when the optimizer was made, and no longer do while it is stepped.

## Why it matters
The steps change tensors that nothing reads. What took their place in the model is trained by nobody.

## How to mend it
Make the optimizer after the last change of the model: after a new head, `weight_norm`, quantisation, a change of
precision that makes new parameters, or loading a whole model. Or add the new ones with `add_param_group`.

## Quiet when
The optimizer is not stepped after the change; its parameters live on in another module.

## Known limits
A model that is used only through copies of its parameters (functional calls) is recognised by their gradients.

## Sources
PyTorch documentation, torch.optim: "if you need to move a model to GPU via .cuda(), please do so before constructing
optimizers for it".
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import spread_names
from nnreport.checks.script._words import common_module, in_report, model_name, optimizer_name
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for optimizer in run.optimizers if run else ():
        if run is None or not optimizer.orphan_tensors or not optimizer.steps:
            continue
        name = optimizer.variable or "optimizer"
        model = optimizer.models[0] if optimizer.models else run.main
        path = common_module(optimizer.orphans)
        lost = optimizer.orphan_tensors
        whole = lost >= optimizer.tensors
        whose = f"the model {model_name(run.models[model])}" if optimizer.models and model < len(run.models) else "the model"
        yield Finding(
            check="stale-optimizer",
            severity="error",
            module=in_report(facts, run, model, path),
            location=optimizer.location,
            message=(
                f"{optimizer_name(optimizer)} steps {'all' if whole else lost} of its {optimizer.tensors} parameters for "
                f"nothing: since it was made they have left {whose} ({spread_names(optimizer.orphans)})."
            ),
            evidence={"orphans": lost, "of": optimizer.tensors, "first": optimizer.orphans[0] if optimizer.orphans else None},
            why="What took their place in the model is in no optimizer, and stays as it was drawn.",
            fix="Make the optimizer after the last change of the model.",
            code=f"model = ...  # all changes first\n{name} = torch.optim.{optimizer.name}(model.parameters(), lr=...)",
        )
