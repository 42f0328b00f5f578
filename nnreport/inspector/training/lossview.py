"""A look through the user's loss while it runs: which torch losses it calls, and whether a broadcast blew it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nnreport.inspector.training.outputs import named_tensors

FAMILY = {
    "cross_entropy": "cross_entropy", "nll_loss": "nll", "gaussian_nll_loss": "custom", "binary_cross_entropy": "bce",
    "binary_cross_entropy_with_logits": "bce_with_logits", "mse_loss": "mse", "l1_loss": "l1",
    "smooth_l1_loss": "l1", "huber_loss": "l1",
}  # fmt: skip
"""torch.nn.functional's losses -> :attr:`nnreport.facts.LossInfo.kind`; the others are ``custom``."""
ELEMENTWISE = frozenset(
    (
        "sub", "add", "mul", "div", "true_divide", "rsub", "pow", "eq", "ne", "where", "maximum", "minimum", "fmax", "fmin", 
        "atan2", "hypot", "lerp", "addcmul", "addcdiv", "xlogy", "logaddexp", "dist", "mse_loss", "l1_loss", "smooth_l1_loss",
        "huber_loss", "soft_margin_loss", "poisson_nll_loss", "kl_div", "gaussian_nll_loss",
    )
)  # fmt: skip
ON_PURPOSE = frozenset(
    ("unsqueeze", "expand", "expand_as", "broadcast_to", "repeat", "cdist", "outer", "meshgrid", "broadcast_tensors")
)
"""Operations by which an author says that he wants a table of pairs."""


def plain_name(function: Any) -> str:
    """``sub`` for ``Tensor.__sub__``, ``Tensor.sub_``, ``torch.sub``."""
    name = getattr(function, "__name__", "")
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
        name = {
            "rmul": "mul",
            "radd": "add",
            "rsub": "rsub",
            "truediv": "div",
            "rtruediv": "div",
            "isub": "sub",
            "iadd": "add",
        }.get(name, name)
    return name.rstrip("_") or name


def is_loss_function(name: str) -> bool:
    """A loss of torch.nn.functional."""
    return name in ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div") or (
        name.endswith("_loss") and hasattr(torch.nn.functional, name)
    )


class LossView(TorchFunctionMode):
    """Records what runs while it is entered; follows which tensors come of the prediction and which of the target."""

    def __init__(self, output: Any, target: Any) -> None:
        super().__init__()
        self.kept: list[Any] = []  # alive, so that an id stays one tensor's
        self.predicted = {id(t) for _, t in named_tensors(output)}
        self.targeted = {id(t) for _, t in named_tensors(target)} - self.predicted
        self.meant: set[int] = set()
        self.functional: list[str] = []
        self.operations: set[str] = set()
        self.broadcast: list[list[int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not isinstance(result, Tensor) and not isinstance(result, (tuple, list)):
            return result
        name = plain_name(func)
        self.operations.add(name)
        if is_loss_function(name):
            self.functional.append(name)
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        for item in args:
            if isinstance(item, (tuple, list)):
                tensors += [a for a in item if isinstance(a, Tensor)]
        made = [result] if isinstance(result, Tensor) else [r for r in result if isinstance(r, Tensor)]
        self.kept += made
        ids = {id(t) for t in tensors}
        if name in ELEMENTWISE:
            self.look_for_broadcast(tensors)
        predicted, targeted = bool(ids & self.predicted), bool(ids & self.targeted)
        meant = name in ON_PURPOSE or bool(ids & self.meant) or (name == "getitem" and has_new_axis(args[1:]))
        for tensor in made:
            if predicted:
                self.predicted.add(id(tensor))
            elif targeted:
                self.targeted.add(id(tensor))
            if meant:
                self.meant.add(id(tensor))
        return result

    def look_for_broadcast(self, tensors: list[Tensor]) -> None:
        """An elementwise operation on a prediction and a target whose result is larger than both, and nobody asked for it."""
        if len(tensors) < 2 or self.broadcast:
            return
        ours = next((t for t in tensors if id(t) in self.predicted), None)
        other = next((t for t in tensors if id(t) in self.targeted), None)
        if ours is None or other is None or id(ours) in self.meant or id(other) in self.meant:
            return
        whole = broadcast_size(ours.shape, other.shape)
        if whole > max(ours.numel(), other.numel()):
            self.broadcast = [list(ours.shape), list(other.shape)]

    @property
    def kind(self) -> str:
        """The family of the loss, from the torch losses that ran, else from the operations."""
        families = list(dict.fromkeys(FAMILY.get(name, "custom") for name in self.functional))
        if families:
            return families[0] if len(families) == 1 else "custom"
        seen = self.operations
        if seen & {"log_softmax", "logsumexp"} and seen & {"gather", "getitem", "mul", "take_along_dim"}:
            return "cross_entropy"
        if "sub" in seen or "rsub" in seen:
            if seen & {"square"} or ("pow" in seen and not seen & {"log", "exp"}):
                return "mse"
            if "abs" in seen and not seen & {"log", "exp"}:
                return "l1"
        return "custom"


def broadcast_size(one: Sequence[int], other: Sequence[int]) -> int:
    """Elements of the broadcast of two shapes (``torch.broadcast_shapes`` imports sympy)."""
    return math.prod(a if b == 1 else b for a, b in zip_longest(reversed(one), reversed(other), fillvalue=1))


def has_new_axis(index: Any) -> bool:
    """An index with ``None`` in it adds an axis."""
    return any(i is None or (isinstance(i, (tuple, list)) and any(j is None for j in i)) for i in index)
