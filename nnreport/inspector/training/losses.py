"""``--loss``: a name of torch.nn.functional or the user's own callable, made into an objective.

An :class:`Objective` is called with the model's whole output and a batch, and gives a scalar. What the loss is, how it was
chosen and what ran inside it is its :attr:`~Objective.info`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.facts import Location, LossInfo
from nnreport.inspector.training.lossview import FAMILY, LossView, is_loss_function
from nnreport.inspector.training.outputs import prediction
from nnreport.inspector.training.targets import Recipe

LossFunction = Callable[[Any, Any, Any], Any]
"""(output, target, batch) -> a loss, whole or per element."""
NOT_OUTPUT_TARGET = {
    "ctc_loss", "cosine_embedding_loss", "margin_ranking_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss", "gaussian_nll_loss",
    "linear_cross_entropy",
}  # fmt: skip
"""torch's losses that take more than an output and a target."""
OVER_CLASSES = {"cross_entropy", "nll_loss", "multi_margin_loss"}
"""Losses whose target is the index of a class, with the classes on axis 1."""
SHORT = {
    "ce": "cross_entropy",
    "xent": "cross_entropy",
    "softmax_cross_entropy": "cross_entropy",
    "mae": "l1_loss",
    "kl": "kl_div",
}


class LossError(Exception):
    """The loss ran and gave nothing that can be minimised."""


class Objective:
    """What the copy is trained to make small.

    Attributes:
        info: what the report says of it.
        function: the loss itself.
        recipe: how to make targets where the batch has none.
        label_argument: the argument of ``forward`` by which made-up targets are passed, for a model with a loss of its own.
        torch_name: its name in torch.nn.functional, where it is one of those.
        module: the user's loss, where it is a Module (to be moved to the device).
        extras: names of further outputs whose mean square towards seeded numbers is added, so that every head is trained.
    """

    def __init__(self, info: LossInfo, function: LossFunction, recipe: Recipe | None = None, seed: int = 0) -> None:
        self.info = info
        self.function = function
        self.recipe = recipe
        self.seed = seed
        self.extras: list[str] = []
        self.label_argument = ""
        self.torch_name = ""
        self.module: nn.Module | None = None

    def __call__(self, output: Any, batch: Any) -> Tensor:
        """The loss of ``output`` on ``batch``, a scalar; a loss per element is averaged.

        Raises:
            LossError: it gave no tensor.
            whatever the user's loss raises.
        """
        loss = self.function(output, self.target(output, batch), batch)
        loss = as_tensor(loss, self.info.name)
        if loss.dim() > 0:
            self.info.per_element = loss.numel() > 1
            loss = loss.mean()
        return loss + self.extra_loss(output) if self.extras else loss

    def target(self, output: Any, batch: Any) -> Any:
        """The batch's target; where it has none, one made by the recipe."""
        if batch.target is not None or self.recipe is None:
            return batch.target
        found = prediction(output)
        if found is None:
            return None
        return self.recipe.make(found[1].shape, found[1].dtype, batch, self.seed).to(found[1].device)

    def extra_loss(self, output: Any) -> Tensor:
        from nnreport.inspector.training.outputs import named_tensors

        tensors = dict(named_tensors(output))
        return torch.stack([noise_loss(tensors[name], self.seed + 1).float() for name in self.extras if name in tensors]).sum()

    def look(self, output: Any, batch: Any) -> Tensor:
        """Runs it once under a :class:`LossView` and fills ``info``'s ``functional``, ``kind`` and ``broadcast``."""
        target = self.target(output, batch)
        view = LossView(output, target)
        with view:
            loss = self.function(output, target, batch)
        fixed = self.info.kind in ("surrogate",) or self.info.source == "inferred"
        if not self.info.functional:
            self.info.functional = list(dict.fromkeys(view.functional))
        if not fixed and self.info.kind == "custom":
            self.info.kind = view.kind  # type: ignore[assignment]
        self.info.broadcast = view.broadcast
        loss = as_tensor(loss, self.info.name)
        self.info.per_element = loss.numel() > 1
        return loss.mean() if loss.dim() else loss


def noise_loss(tensor: Tensor, seed: int) -> Tensor:
    """Mean square of the difference from seeded numbers of unit scale, of the tensor's own shape."""
    generator = torch.Generator().manual_seed(seed)
    goal = torch.randn(tuple(tensor.shape), generator=generator).to(tensor.device)
    if tensor.is_complex():
        return (tensor - goal).abs().pow(2).mean()
    return (tensor - goal.to(tensor.dtype)).pow(2).mean()


def as_tensor(loss: Any, name: str) -> Tensor:
    """The tensor in what a loss gave: itself, the first of a tuple, ``loss`` or ``total`` of a dict, else the dict's sum.

    Raises:
        LossError: there is none.
    """
    if isinstance(loss, Mapping):
        tensors = {k: v for k, v in loss.items() if isinstance(v, Tensor)}
        for key in ("loss", "total", "total_loss"):
            if key in tensors:
                return tensors[key]
        if tensors:
            return torch.stack([v.mean() for v in tensors.values()]).sum()
    if isinstance(loss, (tuple, list)) and loss:
        return as_tensor(loss[0], name)
    if not isinstance(loss, Tensor):
        raise LossError(f"the loss {name} gave a {type(loss).__name__}, not a tensor")
    return loss


# ------------------------------------------------------------------------------------------------------- named losses


def known_losses() -> dict[str, str]:
    """Spelling, in lower case without underscores and without ``loss`` at its end -> name in torch.nn.functional."""
    names = [n for n in dir(F) if is_loss_function(n) and not n.startswith("_")]
    known = {squash(name): name for name in names}
    known |= {squash(short): name for short, name in SHORT.items()}
    known |= {
        "bce": "binary_cross_entropy",
        "bcewithlogits": "binary_cross_entropy_with_logits",
        "bcelogits": "binary_cross_entropy_with_logits",
    }
    return known | {"kldiv": "kl_div", "nll": "nll_loss", "multilabelmargin": "multilabel_margin_loss"}


def squash(name: str) -> str:
    """``F.mse_loss``, ``nn.MSELoss`` and ``mse`` are one."""
    return name.strip().removesuffix("()").rpartition(".")[2].lower().replace("_", "").replace("-", "").removesuffix("loss")


def loss_name(text: str) -> str:
    """The name in torch.nn.functional that ``text`` means.

    Raises:
        UsageError: there is none, or it takes more than (output, target).
    """
    known = known_losses()
    name = known.get(squash(text))
    if name is None:
        close = difflib.get_close_matches(squash(text), known, 1, 0.6)
        meant = (
            f"did you mean {known[close[0]]}?" if close else "names are e.g. cross_entropy, mse_loss, bce_with_logits, nll_loss"
        )
        raise UsageError(f"--loss {text}: torch.nn.functional has no such loss; {meant} (or FILE:CALLABLE for your own)")
    if name in NOT_OUTPUT_TARGET:
        raise UsageError(f"--loss {text}: {name} takes more than (output, target); give a function of your own as FILE:CALLABLE")
    return name


def named_objective(name: str, seed: int) -> Objective:
    """torch's own loss on the output that a loss would read, called as its user would; classes on the last axis are moved to
    axis 1 where the target has the shape that asks for it."""
    function = getattr(F, name)

    def loss(output: Any, target: Any, batch: Any) -> Tensor:
        found = prediction(output)
        if found is None:
            raise LossError(f"{name} needs a floating tensor, and the model's output has none")
        value = found[1]
        if name in OVER_CLASSES and isinstance(target, Tensor):
            value = classes_first(value, target)
        return function(value, target)

    info = LossInfo(name=name, user=True, source="given", kind=FAMILY.get(name, "custom"), reason="given with --loss")  # type: ignore[arg-type]
    objective = Objective(info, loss, None, seed)
    objective.torch_name = name
    return objective


def classes_first(value: Tensor, target: Tensor) -> Tensor:
    """``value`` with its last axis moved to place 1, if only then the target's shape fits."""
    fits = value.dim() < 3 or tuple(target.shape) in (tuple(value.shape[:1] + value.shape[2:]), tuple(value.shape))
    return value if fits or target.shape != value.shape[:-1] else value.movedim(-1, 1)


def recipe_for(name: str, output: Tensor, batch: Any) -> Recipe:
    """Targets that torch's loss ``name`` takes for this output."""
    from nnreport.inspector.training.inference import class_axis, matching_input

    if name in OVER_CLASSES:
        return Recipe("classes", class_axis(output, batch))
    if name == "multilabel_margin_loss":
        return Recipe("multilabel", -1)
    if name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"):
        return Recipe("binary")
    if name in ("soft_margin_loss", "hinge_embedding_loss"):
        return Recipe("signs")
    if name == "kl_div":
        return Recipe("distribution", -1)
    if name == "poisson_nll_loss":
        return Recipe("counts")
    same = matching_input(output, batch)
    return Recipe("noise") if same is None else Recipe("input", source=same)


# ---------------------------------------------------------------------------------------------------- the user's own


def callable_objective(function: Any, spec: str, seed: int, location: Location | None = None) -> Objective:
    """The user's loss: a function, a Module, or a Module class (made without arguments).

    It is called ``loss(output, target)``; one that takes a single argument is given the output alone.

    Raises:
        UsageError: a class that cannot be made without arguments.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.isclass(function):
        try:
            function = function()
        except TypeError as error:
            raise UsageError(
                f"--loss {spec}: {name} cannot be made without arguments ({error}); name a function that makes the loss"
            ) from None
    alone = positional(function) == 1

    def loss(output: Any, target: Any, batch: Any) -> Any:
        return function(output) if alone else function(output, target)

    objective = Objective(
        LossInfo(name=name, user=True, source="given", reason="given with --loss", location=location), loss, None, seed
    )
    if isinstance(function, nn.Module):
        objective.module = function
    return objective


def positional(function: Any) -> int:
    """How many arguments a loss must be given; 2 if that cannot be told."""
    try:
        parameters = inspect.signature(function.forward if isinstance(function, nn.Module) else function).parameters.values()
    except (TypeError, ValueError):
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return 1 if len(places) == 1 else 2
