"""Models that compute their own loss when they are given labels: Hugging Face's heads, ``forward(idx, targets=None)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import LossInfo
from nnreport.inspector.training.losses import LossError, Objective
from nnreport.inspector.training.lossview import LossView
from nnreport.inspector.training.outputs import named_tensors, own_loss, prediction, trainable
from nnreport.inspector.training.targets import Recipe, inputs_of

ARGUMENTS = ("labels", "targets", "target", "label")
"""Optional arguments of ``forward`` by which labels are passed."""
SHIFTED = ("CausalLM", "LMHeadModel", "ForConditionalGeneration")
"""Parts of class names whose models compare the output at t with the label at t + 1, or shift the labels to be their input."""


def wants_labels(model: nn.Module, batch: Any) -> str | None:
    """Name of the argument by which ``model`` takes labels that ``batch`` does not pass yet; None if there is none."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return None
    for place, parameter in enumerate(parameters):
        if parameter.name in ARGUMENTS and parameter.default is None:
            passed = place < len(batch.args) or batch.kwargs.get(parameter.name) is not None
            return None if passed else parameter.name
    return None


def scalar_losses(output: Any) -> list[tuple[str, Tensor]]:
    """Differentiable scalars in an output."""
    return [(n, t) for n, t in named_tensors(output) if t.dim() == 0 and trainable(t) and t.is_floating_point()]


def loss_in(output: Any) -> Tensor | None:
    """The loss in an output: by its name, else its only differentiable scalar."""
    loss = own_loss(output)
    scalars = scalar_losses(output)
    return loss if loss is not None else scalars[0][1] if len(scalars) == 1 else None


def own_objective(reason: str, seed: int, recipe: Recipe | None = None, argument: str = "") -> Objective:
    """The loss that the output carries; with ``recipe``, labels are passed as ``argument``."""

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        found = loss_in(output)
        if found is None:
            raise LossError("the model's output carries no loss that a gradient can start at")
        return found

    objective = Objective(LossInfo(name="model", source="model", reason=reason), loss, recipe, seed)
    objective.label_argument = argument
    return objective


def recipes(model: nn.Module, name: str, value: Tensor, batch: Any) -> Iterator[Recipe]:
    """Labels that a model with this prediction may take, the likeliest first."""
    cls = type(model).__name__
    shifted = any(part in cls for part in SHIFTED)
    if "CTC" in cls:
        yield Recipe("sequence", axis=value.dim() - 1)
        return
    if value.dim() == 3:
        yield Recipe("classes", axis=2, shifted=shifted and "Seq2Seq" not in cls)
    if value.dim() == 4:
        yield Recipe("pixels", axis=1)
    if value.dim() == 2 and value.shape[1] == 1:
        yield Recipe("scores")
    if value.dim() == 2:
        yield Recipe("classes", axis=1)
    same = [key for key, tensor in inputs_of(batch) if tensor.is_floating_point() and tensor.shape == value.shape]
    if same:
        yield Recipe("input", source=same[0])
    if value.dim() >= 1:
        yield Recipe("noise")


def objective_with_labels(
    model: nn.Module, output: Any, batch: Any, seed: int, forward: Callable[[nn.Module, Any], Any]
) -> tuple[Objective, Any] | None:
    """(objective, output with labels) of a model that takes labels and then gives a loss; None if it does not.

    Args:
        model: the copy, in train mode.
        output: of a forward without labels.
        batch: without labels.
        seed: of the labels.
        forward: calls the model with a batch.
    """
    argument = wants_labels(model, batch)
    found = prediction(output)
    if argument is None or found is None:
        return None
    for recipe in recipes(model, *found, batch):
        try:
            labels = recipe.make(found[1].shape, found[1].dtype, batch, seed).to(found[1].device)
            with LossView(None, None) as view:
                labelled = forward(model, replace(batch, kwargs={**batch.kwargs, argument: labels}))
        except Exception:
            continue
        loss = loss_in(labelled)
        if loss is not None and bool(torch.isfinite(loss)):
            words = f"the model computes its own loss from {argument!r}; labels are made up"
            objective = own_objective(words, seed, recipe, argument)
            objective.info.functional = list(dict.fromkeys(view.functional))
            objective.info.kind = view.kind
            return objective, labelled
    return None
