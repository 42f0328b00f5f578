"""The loss that a probe uses: given, the model's own, the one that the target's file names, or what fits the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Location
from nnreport.inspector.training.inference import class_axis, infer, matching_input, surrogate, unreached
from nnreport.inspector.training.labels import objective_with_labels, own_objective
from nnreport.inspector.training.losses import OVER_CLASSES, Objective, named_objective, recipe_for
from nnreport.inspector.training.outputs import named_tensors, own_loss, prediction
from nnreport.inspector.training.targets import Recipe, inputs_of


def choose(
    given: Objective | None,
    model: nn.Module,
    output: Any,
    batch: Any,
    hints: dict[str, Any],
    seed: int,
    forward: Callable[[nn.Module, Any], Any],
) -> Objective:
    """The objective for a model whose train-mode forward gave ``output`` on ``batch``. Runs the loss once to look into it.

    Raises nothing for a loss of the user's that fails: that shows in the first step.
    """
    if given is not None:
        return with_targets(given, output, batch, seed)
    if own_loss(output) is not None:
        objective = own_objective("the model's output carries its own loss", seed)
        return looked_through(objective, model, batch, forward)
    if batch.target is None:
        labelled = objective_with_labels(model, output, batch, seed, forward)
        if labelled is not None:
            return labelled[0]
    hinted = from_hint(hints.get("loss"), hints.get("loss_location"), output, batch, seed)
    objective = hinted or infer(output, batch, seed)
    try:
        loss = objective.look(output, batch)
        if not bool(torch.isfinite(loss)) and hinted is None and objective.info.kind != "surrogate":
            return objective  # the probe will say where it comes from
    except Exception as error:
        if hinted is not None:
            return objective  # the file's own loss fails on the file's own model: that is a finding
        return surrogate(prediction(output), seed, f"{objective.info.name} does not take the output ({type(error).__name__})")
    add_heads(objective, loss, model, output)
    return objective


def add_heads(objective: Objective, loss: Tensor, model: nn.Module, output: Any) -> None:
    """Where the model has further outputs that lead to parameters of their own, they are trained too."""
    found = prediction(output)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not loss.requires_grad or not parameters or len(list(named_tensors(output))) < 2:
        return
    try:
        objective.extras = unreached(loss, output, parameters, found[0] if found else "")
    except RuntimeError:  # backward fails: the first step will say so
        return
    if objective.extras:
        names = ", ".join(repr(name) for name in objective.extras)
        objective.info.reason += f"; the mean square of {names} to seeded numbers is added"


def looked_through(objective: Objective, model: nn.Module, batch: Any, forward: Callable[[nn.Module, Any], Any]) -> Objective:
    """Which torch losses ran inside the model."""
    from nnreport.inspector.training.lossview import LossView

    view = LossView(None, None)
    try:
        with view:
            forward(model, batch)
    except Exception:  # a model that does not like to be watched; it ran without
        return objective
    objective.info.functional = list(dict.fromkeys(view.functional))
    objective.info.kind = view.kind  # type: ignore[assignment]
    return objective


def with_targets(objective: Objective, output: Any, batch: Any, seed: int) -> Objective:
    """A given loss, with a recipe for targets where the batch has none: for the user's own callable those are tried in turn."""
    found = prediction(output)
    if batch.target is not None or found is None:
        candidates: list[Recipe | None] = [None]
    elif objective.torch_name:
        candidates = [recipe_for(objective.torch_name, found[1], batch)]
    else:
        candidates = guesses(output, batch, seed)
    for recipe in candidates:
        objective.recipe = recipe
        try:
            loss = objective.look(output, batch)
        except Exception:
            continue
        if loss.requires_grad and bool(torch.isfinite(loss)):
            break
    else:
        objective.recipe = candidates[0]
    if objective.recipe is not None:
        objective.info.reason += f"; targets are made up ({objective.recipe.words})"
    return objective


def guesses(output: Any, batch: Any, seed: int) -> list[Recipe | None]:
    """Targets that a loss of the user's may want for this output: what the output itself suggests, an input, class indices,
    numbers, zeros and ones."""
    found: list[Recipe | None] = []
    main = prediction(output)
    assert main is not None
    value = main[1]
    shapes = [t.shape for _, t in named_tensors(output) if t.requires_grad]
    same = next((k for k, t in inputs_of(batch) if t.is_floating_point() and t.dim() > 1 and t.shape in shapes), None)
    if same is not None:
        found.append(Recipe("input", source=same))
    found.append(infer(output, batch, seed).recipe or Recipe("noise"))
    if value.dim() >= 2 and value.shape[class_axis(value, batch)] > 1:
        found.append(Recipe("classes", class_axis(value, batch)))
    found += [Recipe("noise"), Recipe("binary")]
    inputs = [k for k, t in inputs_of(batch) if k != same]
    found += [Recipe("input", source=k) for k in inputs]
    return found


def from_hint(name: str | None, location: Location | None, output: Any, batch: Any, seed: int) -> Objective | None:
    """The loss that the target's own file names, if the output has the form for it."""
    found = prediction(output)
    if not name or found is None or not found[1].requires_grad or found[1].is_complex():
        return None
    value = found[1]
    objective = named_objective(name, seed)
    columns = value.shape[class_axis(value, batch)] if value.dim() >= 2 else 1
    target = batch.target
    if name in OVER_CLASSES and (
        columns < 2 or (isinstance(target, Tensor) and target.is_floating_point() and target.shape != value.shape)
    ):
        return None
    if name.startswith("binary") and value.dim() == 4 and not bool(((value >= 0) & (value <= 1)).all()) and value.shape[1] > 1:
        return None
    if isinstance(target, Tensor) and name not in OVER_CLASSES and target.numel() != value.numel():
        return None
    if target is None:
        objective.recipe = recipe_for(name, value, batch)
    elif not isinstance(target, Tensor):
        return None
    same = matching_input(value, batch)
    words = "; targets are made up" if target is None else ""
    if same is not None and objective.recipe is not None and objective.recipe.kind == "input":
        words = f"; the target is input {same}, whose shape the output has"
    objective.info.user, objective.info.source, objective.info.location = False, "file", location
    objective.info.reason = f"the target's own file names {name}{words}"
    return objective
