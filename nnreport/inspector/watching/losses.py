"""Losses of torch.nn.functional, wrapped: what was predicted, what was wanted, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nnreport.facts import Location
from nnreport.inspector.blame import user_location
from nnreport.inspector.training.lossview import is_loss_function
from nnreport.inspector.watching.patching import Patches


@dataclass
class LossCall:
    """One call of a loss."""

    name: str
    prediction: Tensor
    target: Tensor
    arguments: dict[str, Any]
    """Its other arguments: weights, reduction …"""
    result: Tensor
    location: Location | None = None


def loss_functions() -> list[str]:
    """Names of all losses in torch.nn.functional that take a prediction and a target."""
    return sorted(n for n in dir(F) if not n.startswith("_") and is_loss_function(n) and callable(getattr(F, n)))


def wrap_losses(patches: Patches, active: Callable[[], bool], called: Callable[[LossCall], None]) -> None:
    """Calls ``called`` after each loss that is computed while ``active``; one that another loss calls is its own affair."""
    inside = [0]

    def make(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
            def loss(*args: Any, **kwargs: Any) -> Any:
                if torch.compiler.is_compiling() or inside[0] or not active():
                    return original(*args, **kwargs)
                inside[0] += 1
                try:
                    result = original(*args, **kwargs)
                finally:
                    inside[0] -= 1
                call = call_of(name, args, kwargs, result)
                if call is not None:
                    called(call)
                return result

            return loss

        return wrapper

    for name in loss_functions():
        patches.wrap(F, name, make(name))


def call_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> LossCall | None:
    """The call, if it has the usual two tensors; the rest of its arguments by position and name."""
    rest = dict(kwargs)
    values = list(args)
    prediction = values.pop(0) if values else rest.pop("input", None)
    target = values.pop(0) if values else rest.pop("target", None)
    if not (isinstance(prediction, Tensor) and isinstance(target, Tensor) and isinstance(result, Tensor)):
        return None
    if values:
        rest["*"] = tuple(values)
    return LossCall(name, prediction, target, rest, result)


def place() -> Location | None:
    """The user's line that is computing a loss."""
    return user_location(sys._getframe(1))
