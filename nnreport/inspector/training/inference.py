"""Which loss fits an output, where the user named none.

What is read: the values (are they probabilities?), the last operation before the output, its shape beside the inputs' shapes,
and the target's dtype and shape where the user gave data. The reason is said in one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nnreport.facts import LossInfo
from nnreport.inspector.training.losses import Objective, noise_loss
from nnreport.inspector.training.outputs import is_distribution, last_operation, named_tensors, prediction, sums_to_one
from nnreport.inspector.training.targets import Recipe, inputs_of

MOST_COLUMNS = 1000
"""A row of up to this many numbers from a linear layer is taken for class scores."""
LINEAR = ("linear", "conv", "matmul", "add", "mul", "sub", "div", "einsum", "sum", "mean", "cat", "squeeze", "unknown", "")
"""Last operations after which a row may be class scores: linear maps, their scalings, pools and sums."""


def matching_input(output: Tensor, batch: Any) -> int | str | None:
    """The floating input of the output's own shape (an autoencoder's); None if there is none, or it has a single column."""
    if output.dim() < 2 or output.shape[1:].numel() < 2:
        return None
    for key, tensor in inputs_of(batch):
        if tensor.is_floating_point() and tensor.shape == output.shape and "mask" not in str(key):
            return key
    return None


def token_places(output: Tensor, batch: Any) -> bool:
    """The output is (N, L, C) for an integer input (N, L)."""
    return output.dim() == 3 and any(
        t.dim() == 2 and t.shape == output.shape[:2] and not t.is_floating_point() and t.dtype != torch.bool
        for _, t in inputs_of(batch)
    )


def class_axis(output: Tensor, batch: Any) -> int:
    """The axis of the class scores: 1 as in torch, or the last of (N, L, C), told by the axis that an input shares.

    A target given by the user decides, where it has the shape of all axes but one.
    """
    target = getattr(batch, "target", None)
    if isinstance(target, Tensor) and output.dim() >= 2 and not target.is_floating_point():
        if target.shape == output.shape[:1] + output.shape[2:]:
            return 1
        if target.shape == output.shape[:-1]:
            return output.dim() - 1
    if output.dim() < 3:
        return max(output.dim() - 1, 0)
    if output.dim() == 3:
        if token_places(output, batch):
            return 2
        lengths = {t.shape[1] for _, t in inputs_of(batch) if t.dim() == 3 and t.is_floating_point()}
        ends = {t.shape[-1] for _, t in inputs_of(batch) if t.dim() == 3 and t.is_floating_point()}
        if output.shape[1] in lengths and output.shape[2] not in ends:
            return 2
        if output.shape[1] in lengths and last_operation(output) in ("linear", "add"):
            return 2
        return 1
    if output.dim() == 4:
        places = {tuple(t.shape[2:]) for _, t in inputs_of(batch) if t.dim() == 4}
        if tuple(output.shape[2:]) not in places and any(tuple(output.shape[1:3]) == p for p in places):
            return 3
    return 1


def infer(output: Any, batch: Any, seed: int) -> Objective:
    """The objective that fits ``output``.

    Args:
        output: what the model gave for ``batch`` in train mode.
        batch: the inputs; its target decides where the user gave one.
        seed: of targets that have to be made.
    """
    if is_distribution(output):
        return likelihood(output, batch, seed)
    found = prediction(output)
    if found is None or not found[1].requires_grad:
        return surrogate(found, seed, "no output that a gradient can start at fits a loss")
    name, value = found
    if value.dim() == 0:
        from nnreport.inspector.training.labels import own_objective

        return own_objective("the model gives one number, which is taken for its loss", seed)
    if isinstance(batch.target, Tensor) and not value.is_complex():
        return fit_target(name, value, batch, seed)
    return fit_output(name, value, batch, seed)


def fit_output(name: str, value: Tensor, batch: Any, seed: int) -> Objective:
    """By the output alone; targets will be made."""
    what = f"output {name!r}" if name else "the output"
    operation = last_operation(value)
    if value.is_complex():
        return surrogate((name, value), seed, f"{what} is complex")
    axis = sums_to_one(value, logarithmic=True)
    if axis is not None and axis > 0:
        return over_classes("nll_loss", axis, seed, f"{what} holds log-probabilities over axis {axis}")
    axis = sums_to_one(value)
    if axis is not None and axis > 0 and operation not in ("relu", "sigmoid"):
        return over_classes(
            "probability", axis, seed, f"{what} sums to 1 over axis {axis}: the negative log of the label's probability"
        )
    unit = bool(((value >= 0) & (value <= 1)).all())
    if operation == "sigmoid" and unit:
        same = matching_input(value, batch)
        if same is not None and value.dim() > 2:
            return simple(
                "mse_loss", Recipe("input", source=same), seed, f"{what} has the shape of input {same}: it should give it back"
            )
        return simple("binary_cross_entropy", Recipe("binary"), seed, f"{what} comes of a sigmoid; labels 0 and 1 are made up")
    same = matching_input(value, batch)
    if same is not None:
        return simple(
            "mse_loss", Recipe("input", source=same), seed, f"{what} has the shape of input {same}: it should give it back"
        )
    if value.dim() == 3 and operation in LINEAR:
        axis = class_axis(value, batch)
        classes = value.shape[axis]
        vocabulary = token_places(value, batch) and classes > max(
            int(t.max()) for _, t in inputs_of(batch) if not t.is_floating_point()
        )
        if 2 <= classes <= MOST_COLUMNS or vocabulary:
            layout = "(N, L, C)" if axis == 2 else "(N, C, L)"
            return over_classes(
                "cross_entropy", axis, seed, f"{what} is taken for class scores of a sequence, {layout}; labels are made up"
            )
    if value.dim() >= 3:
        return simple(
            "mse_loss", Recipe("noise"), seed, f"{what} is dense, {shape_words(value)}; targets of unit scale are made up"
        )
    columns = value.shape[-1] if value.dim() == 2 else 1
    if value.dim() == 2 and 2 <= columns <= MOST_COLUMNS and operation in LINEAR:
        return over_classes(
            "cross_entropy", 1, seed, f"{what} has {columns} columns that are taken for class scores; labels are made up"
        )
    if columns == 1 and value.dim() in (1, 2):
        return simple("mse_loss", Recipe("noise"), seed, f"{what} is one number a sample; targets of unit scale are made up")
    return surrogate(
        (name, value), seed, f"{what} {shape_words(value)} after {operation or 'an unknown operation'} fits no usual loss"
    )


def fit_target(name: str, value: Tensor, batch: Any, seed: int) -> Objective:
    """By the user's target: its dtype, values and shape beside the output's."""
    target: Tensor = batch.target
    what = f"output {name!r}" if name else "the output"
    if not target.is_floating_point() and not target.is_complex():
        axis = class_axis(value, batch)
        over = value.shape[:axis] + value.shape[axis + 1 :]
        if value.dim() >= 2 and value.shape[axis] > 1 and (target.shape == over or target.shape == value.shape[:1]):
            logarithmic, plain = sums_to_one(value, logarithmic=True), sums_to_one(value)
            if logarithmic == axis:
                return over_classes(
                    "nll_loss", axis, seed, f"{what} holds log-probabilities and the targets are class indices", False
                )
            if plain == axis and last_operation(value) == "softmax":
                words = f"{what} is a softmax and the targets are class indices: the negative log of the label's probability"
                return over_classes("probability", axis, seed, words, False)
            return over_classes("cross_entropy", axis, seed, "the targets are class indices", False)
        if int(target.min()) >= 0 and int(target.max()) <= 1 and target.numel() == value.numel():
            return binary(value, seed, f"the targets are 0 and 1, one for each number of {what}")
    if target.numel() == value.numel():
        zero_one = bool(((target == 0) | (target == 1)).all()) if not target.is_complex() else False
        if zero_one and bool((target != target.flatten()[0]).any()):
            return binary(value, seed, f"the targets are 0 and 1, one for each number of {what}")
        return simple("mse_loss", None, seed, f"the targets are numbers, one for each number of {what}")
    if target.is_floating_point() and value.dim() >= 2 and target.shape == value.shape[:1]:
        return simple("mse_loss", None, seed, f"the targets are numbers, one a sample, spread over {what}", spread=True)
    return surrogate((name, value), seed, f"targets {list(target.shape)} and {what} {shape_words(value)} fit no usual loss")


def shape_words(value: Tensor) -> str:
    return "(" + ", ".join(str(n) for n in value.shape) + ")"


def info(name: str, kind: str, reason: str) -> LossInfo:
    return LossInfo(name=name, user=False, source="inferred", kind=kind, reason=reason)  # type: ignore[arg-type]


def over_classes(name: str, axis: int, seed: int, reason: str, made: bool = True) -> Objective:
    """Cross-entropy, NLL, or the negative log of a probability, with the classes on ``axis``."""
    kinds = {"cross_entropy": "cross_entropy", "nll_loss": "nll", "probability": "custom"}

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        value = needed(output).movedim(axis, 1) if axis != 1 else needed(output)
        target = target.long()
        if name != "probability":
            return getattr(F, name)(value, target)
        small = torch.finfo(value.dtype).tiny
        return -value.gather(1, target.unsqueeze(1)).clamp_min(small).log().mean()

    label = "negative log-probability" if name == "probability" else name
    return Objective(info(label, kinds[name], reason), loss, Recipe("classes", axis) if made else None, seed)


def binary(value: Tensor, seed: int, reason: str) -> Objective:
    """BCE on probabilities if that is what a sigmoid gave, else on logits."""
    name = "binary_cross_entropy" if last_operation(value) == "sigmoid" else "binary_cross_entropy_with_logits"
    return simple(name, None, seed, reason)


def simple(name: str, recipe: Recipe | None, seed: int, reason: str, spread: bool = False) -> Objective:
    """A loss of numbers against numbers, in the output's shape."""
    function = getattr(F, name)
    kinds = {"mse_loss": "mse", "binary_cross_entropy": "bce", "binary_cross_entropy_with_logits": "bce_with_logits"}

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        value = needed(output)
        target = target.to(value.dtype)
        if spread:
            target = target.reshape([-1] + [1] * (value.dim() - 1)).expand_as(value)
        return function(value, target.reshape(value.shape))

    return Objective(info(name, kinds[name], reason), loss, recipe, seed)


def surrogate(found: tuple[str, Tensor] | None, seed: int, reason: str) -> Objective:
    """A stand-in: mean square of the difference from seeded numbers."""

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        return noise_loss(needed(output), seed)

    return Objective(info("mean square to seeded numbers", "surrogate", reason + "; a stand-in is minimised"), loss, None, seed)


def needed(output: Any) -> Tensor:
    found = prediction(output)
    if found is None:
        raise ValueError("the model's output has no floating tensor")
    return found[1]


def likelihood(output: Any, batch: Any, seed: int) -> Objective:
    """A distribution as output: minus the log-probability of the user's target, or of values drawn once."""
    recipe_values: dict[tuple[int, ...], Tensor] = {}

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        if target is None:
            key = (*output.batch_shape, -1, *output.event_shape)
            if key not in recipe_values:
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    recipe_values[key] = output.sample()
            target = recipe_values[key]
        return -output.log_prob(target).mean()

    kind = type(output).__name__
    made = "" if batch.target is not None else ", values drawn once from the first output"
    return Objective(info("negative log-likelihood", "custom", f"the output is a {kind} distribution{made}"), loss, None, seed)


def unreached(loss: Tensor, output: Any, parameters: Sequence[Tensor], chosen: str) -> list[str]:
    """Names of outputs that lead to trainable parameters which the loss does not: other heads, which an inferred loss must
    train too. Frees no graph.
    """
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    missing = [p for p, g in zip(parameters, gradients, strict=True) if g is None]
    names: list[str] = []
    for name, tensor in named_tensors(output):
        if not missing or name == chosen or not tensor.requires_grad or tensor.numel() == 0:
            continue
        reached = torch.autograd.grad(tensor.abs().sum(), missing, allow_unused=True, retain_graph=True)
        if any(g is not None for g in reached):
            names.append(name)
            missing = [p for p, g in zip(missing, reached, strict=True) if g is None]
    return names
