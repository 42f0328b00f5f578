"""eval-mode-training: training steps with the model in eval mode

## Looks for
Optimizer steps whose forward pass ran with the whole model in eval mode, though it has dropout or batch
normalisation: at least three, and a tenth of all steps; or the step at which an evaluation left the model so.

## Why it matters
Dropout does nothing, and batch normalisation uses (and never again updates) its running statistics: those of the
epochs before, or those of no data at all.

## How to mend it
Call `model.train()` at the beginning of each epoch, after the evaluation of the one before.

## Quiet when
Only some modules are in eval mode (frozen batch normalisation); the model has neither dropout nor batch
normalisation; a step or two.

## Known limits
Fine-tuning in eval mode on purpose (all statistics frozen, no dropout) is reported too.

## Sources
PyTorch documentation, nn.Module.eval. Hugging Face models come from `from_pretrained` in eval mode.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import spread_names
from nnreport.checks.script._words import in_report, model_name, times
from nnreport.checks.series import percent
from nnreport.facts import Facts, ModelRun
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

LEAST = 3
"""Steps in eval mode."""
SHARE = 0.1


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for index, model in enumerate(run.models if run else ()):
        steps = model.steps_eval_mode + model.steps_train_mode
        if run is None or model.steps_eval_mode < LEAST or model.steps_eval_mode < SHARE * steps:
            continue
        name = model.variable or "model"
        after = f", from step {model.eval_after} on, after an evaluation" if model.eval_after is not None else ""
        yield Finding(
            check="eval-mode-training",
            severity="warning",
            module=in_report(facts, run, index, ""),
            location=model.call_location,
            message=(
                f"{model_name(model)} is trained in eval mode at {model.steps_eval_mode} of {times(steps, 'step')}{after}; "
                f"the limit is {percent(SHARE)}."
            ),
            evidence={
                "steps_in_eval_mode": model.steps_eval_mode,
                "of": steps,
                "limit": SHARE,
                "first_after_evaluation": model.eval_after,
            },
            why=_why(model),
            fix=f"Call {name}.train() before the training loop of every epoch.",
            code=f"for epoch in range(epochs):\n    {name}.train()\n    ...  # train\n    {name}.eval()\n    ...  # evaluate",
        )


def _why(model: ModelRun) -> str:
    """What does not work then."""
    parts = []
    if model.dropout:
        parts.append(f"{spread_names(model.dropout)} drop{'s' if len(model.dropout) == 1 else ''} nothing")
    if model.batchnorm:
        one = len(model.batchnorm) == 1
        parts.append(
            f"{spread_names(model.batchnorm)} normalise{'s' if one else ''} with running statistics that are no longer updated"
        )
    return f"In eval mode {', and '.join(parts)}." if parts else ""
