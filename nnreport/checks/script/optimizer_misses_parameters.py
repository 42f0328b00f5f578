"""optimizer-misses-parameters: trainable parameters that no optimizer holds

## Looks for
Parameters that ask for a gradient, get one that is not zero, and are in no optimizer of the script.

## Why it matters
They keep the values that they were drawn with, and the rest learns around them. Their gradients, which nothing
clears, grow from step to step.

## How to mend it
Give the optimizer all of them (`[*encoder.parameters(), *decoder.parameters()]`, or one module that holds both). If
they are to stay as they are, say so with `requires_grad_(False)`, which also saves their part of the backward pass.

## Quiet when
They get no gradient; they belong to another model that is in eval mode, or without any optimizer in the whole script
(attacks, style transfer, a perceptual loss). An optimizer that holds the last part of the model alone, the larger
rest being left as it is (a linear probe), is a note.

## Known limits
A frozen network in train mode that was not frozen by `requires_grad_(False)` looks like a forgotten one.

## Sources
PyTorch documentation, torch.optim, per-parameter options; Transfer Learning for Computer Vision Tutorial (freezes by
requires_grad).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import spread_names
from nnreport.checks.script._words import common_module, in_report, model_name, modules_of, times
from nnreport.facts import Facts, ModelRun, Run
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("run",)

LEAST_STEPS = 2
"""The watch looks anew at the first steps."""
PROBE = 0.5
"""Share of the model's trainable elements above which a rest before the trained head is taken for left out on purpose."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    if run is None or run.steps < LEAST_STEPS or not any(model.held for model in run.models):
        raise NotApplicable("no optimizer steps a model")
    for index, model in enumerate(run.models):
        if not model.unheld or (not model.held and not model.training):
            continue
        yield _finding(facts, run, index, model)


def _finding(facts: Facts, run: Run, index: int, model: ModelRun) -> Finding:
    names = model.unheld
    path = common_module(names)
    place = in_report(facts, run, index, path)
    modules = [each for name in modules_of(names) if (each := in_report(facts, run, index, name)) is not None]
    probing = _linear_probe(facts, model)
    owner = model.variable or "model"
    part = f"{owner}.{path}" if path else owner
    location = next((each.location for each in run.optimizers if index in each.models), None)
    share = f" ({model.unheld_elements:,} of {model.trainable:,} trainable elements)" if model.trainable else ""
    whole = "" if model.held else "; no optimizer was made for any of it"
    return Finding(
        check="optimizer-misses-parameters",
        severity="note" if probing else "error",
        module=place,
        modules=modules,
        location=location or (run.optimizers[0].location if run.optimizers else None),
        message=(
            f"{times(len(names), 'parameter')} of {model_name(model)} {'gets' if len(names) == 1 else 'get'} gradients and "
            f"{'is' if len(names) == 1 else 'are'} in no optimizer: {spread_names(names)}{share}{whole}."
        ),
        evidence={"parameters": len(names), "elements": model.unheld_elements, "of": model.trainable, "first": names[0]},
        why=(
            "Only the last part is trained. If that is meant, the backward pass through the rest is spent for nothing."
            if probing
            else "They stay as they were drawn, whatever the loss does."
        ),
        fix=f"Freeze {part} if it is to stay as it is, else give it to the optimizer."
        if probing
        else f"Give {part} to the optimizer; if it is to stay as it is, freeze it.",
        code=f"{part}.requires_grad_(False)" if probing else f"optimizer.add_param_group({{'params': {part}.parameters()}})",
    )


def _linear_probe(facts: Facts, model: ModelRun) -> bool:
    """The optimizer holds the end of the model alone, and by far the smaller part."""
    if not model.held or not model.trainable or model.unheld_elements <= PROBE * model.trainable or facts.tree is None:
        return False
    trainable = [each.name for each in facts.tree.parameters if each.kind == "parameter" and each.trainable]
    left = set(model.unheld) | set(model.silent)
    held = [name for name in trainable if name not in left]
    if not held or not left & set(trainable):
        return False
    first = trainable.index(held[0])
    return all(name in left for name in trainable[:first]) and not any(name in left for name in trainable[first:])
