"""stale-optimizer: the optimizer holds parameters that the model no longer has

## Looks for
Parameters of an optimizer that belonged to a model when the optimizer was made, and no longer do while it is stepped.
Or an optimizer whose model never gets a gradient, while another model of the same class and size, which no optimizer was
made for, does: the model was made anew.

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
from nnreport.facts import Facts, OptimizerRun, Run
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for optimizer in run.optimizers if run else ():
        if run is None or not optimizer.steps:
            continue
        if not optimizer.orphan_tensors:
            if (twin := _twin(run, optimizer)) is not None:
                yield _made_anew(facts, run, optimizer, twin)
            continue
        name = optimizer.variable or "optimizer"
        model = optimizer.models[0] if optimizer.models else run.main
        path = common_module(optimizer.orphans)
        lost = optimizer.orphan_tensors
        whole = lost >= optimizer.tensors
        whose = model_name(run.models[model]) if optimizer.models and model < len(run.models) else "the model"
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


def _twin(run: Run, optimizer: OptimizerRun) -> int | None:
    """Index of the model that took the place of the optimizer's own, which never gets a gradient."""
    if optimizer.backwards or len(optimizer.models) != 1 or not optimizer.stale_gradients:
        return None
    own = run.models[optimizer.models[0]]
    for index, model in enumerate(run.models):
        alike = model is not own and model.cls == own.cls and model.trainable == own.trainable
        if alike and not model.held and model.unheld:
            return index
    return None


def _made_anew(facts: Facts, run: Run, optimizer: OptimizerRun, twin: int) -> Finding:
    name = optimizer.variable or "optimizer"
    return Finding(
        check="stale-optimizer",
        severity="error",
        module=in_report(facts, run, twin, ""),
        location=optimizer.location,
        message=(
            f"{optimizer_name(optimizer)} steps the {optimizer.tensors} parameters of a {run.models[twin].name} that never gets "
            f"a gradient; another one of the same size, {model_name(run.models[twin])}, does, and no optimizer was made for it."
        ),
        evidence={"backward_passes": optimizer.backwards, "steps": optimizer.steps, "tensors": optimizer.tensors},
        why="The model was made anew after its optimizer: what is trained is not what is used.",
        fix="Make the optimizer after the model.",
        code=f"model = ...\n{name} = torch.optim.{optimizer.name}(model.parameters(), lr=...)",
    )
