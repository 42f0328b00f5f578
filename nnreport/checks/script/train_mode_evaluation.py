"""train-mode-evaluation: the model is evaluated in train mode

## Looks for
Evaluations (forward passes from which no backward pass came, told from parts of a training step by their loader,
their loss or their number) in which dropout or batch normalisation ran in train mode: at least half of them.

## Why it matters
Dropout makes the result random and too bad. Batch normalisation normalises each sample by those that happen to be in
its batch, and moves its running statistics towards the validation data.

## How to mend it
Call `model.eval()` before the evaluation and `model.train()` after it.

## Quiet when
Single forward passes without a loss (a look at shapes); passes on an input that is then trained on; teachers and
second passes in every training step; batch normalisation that is calibrated (`update_bn`); a dropout module that alone
is in train mode, in a model that is in eval mode (Monte-Carlo dropout).

## Known limits
Monte-Carlo dropout with the whole model in train mode is reported, and so are pseudo-labels that are made in whole passes over
another loader.

## Sources
PyTorch documentation, nn.Module.eval and "Locally disabling gradient computation": `no_grad` does not switch to
evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import spread_names
from nnreport.checks.script._words import in_report, model_name, times
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

SHARE = 0.5
"""Of the evaluations."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    for evaluation in run.evaluations if run else ():
        if run is None or not evaluation.train_mode or evaluation.train_mode < SHARE * evaluation.phases:
            continue
        model = run.models[evaluation.model]
        name = model.variable or "model"
        modules = [each for path in evaluation.affected if (each := in_report(facts, run, evaluation.model, path)) is not None]
        one = len(evaluation.affected) == 1
        yield Finding(
            check="train-mode-evaluation",
            severity="warning",
            module=modules[0] if modules else None,
            modules=modules,
            location=evaluation.location or model.location,
            message=(
                f"{model_name(model)} is evaluated in train mode {evaluation.train_mode} of {times(evaluation.phases, 'time')}: "
                f"{spread_names(evaluation.affected)} {'is' if one else 'are'} at work as in training; the limit is half."
            ),
            evidence={
                "in_train_mode": evaluation.train_mode,
                "evaluations": evaluation.phases,
                "limit": SHARE,
                "modules": len(evaluation.affected),
            },
            why="What is measured is not what the trained model does: "
            + _kinds(model.dropout, model.batchnorm, evaluation.affected),
            fix=f"Call {name}.eval() before the evaluation, and {name}.train() after it.",
            code=f"{name}.eval()\nwith torch.no_grad():\n    ...  # evaluate\n{name}.train()",
        )


def _kinds(dropout: list[str], batchnorm: list[str], affected: list[str]) -> str:
    """What each kind of the affected modules does to a result."""
    parts = []
    if set(dropout) & set(affected):
        parts.append("dropout makes it random")
    if set(batchnorm) & set(affected):
        parts.append("batch normalisation mixes the samples of a batch and learns the validation data's statistics")
    return f"{', and '.join(parts) or 'these modules behave otherwise in evaluation'}."
