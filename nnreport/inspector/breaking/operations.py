"""Hears every torch function that runs, with what it was given and what it gave; not those that only move values about."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from nnreport.inspector.training.dead import RESHAPES
from nnreport.inspector.training.lossview import plain_name
from nnreport.inspector.training.nonfinite import bad, floating
from nnreport.inspector.training.outputs import named_tensors

ATTRIBUTES = frozenset(
    ("get", "set", "delete", "requires_grad", "grad", "is_leaf", "backward", "register_hook", "repr", "format", "len", "iter")
)
"""Names of functions that are no operation."""
MOVES = RESHAPES - {"to", "type", "type_as", "half", "bfloat16", "float", "double"}
"""Operations that change no value; a cast may (1e5 is no half)."""
IN_PLACE = frozenset(("__iadd__", "__isub__", "__imul__", "__itruediv__", "__setitem__"))


class Operation:
    """One call of a torch function.

    Attributes:
        outputs: the floating tensors that it gave, or changed.
        spoilt: it changed a tensor in place that held NaN or Inf before.
    """

    __slots__ = ("args", "function", "kwargs", "name", "output", "outputs", "spoilt")

    def __init__(self, function: Any, name: str, args: Any, kwargs: Any, output: Any, spoilt: bool) -> None:
        self.function, self.name, self.args, self.kwargs = function, name, args, kwargs
        self.output, self.spoilt = output, spoilt
        if isinstance(output, Tensor):
            self.outputs = [output] if floating(output) else []
        else:
            self.outputs = [t for _, t in named_tensors(output) if floating(t)]
        if name == "setitem" and args and isinstance(args[0], Tensor) and floating(args[0]):
            self.outputs.append(args[0])

    @property
    def inputs(self) -> list[Tensor]:
        return [t for _, t in named_tensors((self.args, self.kwargs)) if floating(t)]


class Operations(TorchFunctionMode):
    """Calls ``heard`` after each operation while ``listening()``.

    Args:
        listening: asked before each.
        heard: what it raises goes into the script.
        finite: look before an operation in place whether its tensor was finite.
    """

    def __init__(self, listening: Callable[[], bool], heard: Callable[[Operation], None], finite: bool) -> None:
        super().__init__()
        self.listening, self.heard, self.finite = listening, heard, finite

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, in_place = known(func)
        if not name or name in MOVES or not self.listening():
            return func(*args, **kwargs)
        spoilt = in_place and self.finite and any(broken(t) for t in args[:1] if isinstance(t, Tensor) and floating(t))
        result = func(*args, **kwargs)
        self.heard(Operation(func, name, args, kwargs, result, spoilt))
        return result


def broken(tensor: Tensor) -> bool:
    """It holds NaN or Inf. A sum shows that fastest; one that overflows is looked at closely."""
    tensor = tensor.detach()
    if tensor.is_complex():
        return bad([tensor])
    return not isfinite(float(tensor.sum())) and bad([tensor])


@lru_cache(maxsize=4096)
def known(function: Any) -> tuple[str, bool]:
    """(its plain name, it works in place); ``""`` for what is no operation."""
    name = plain_name(function)
    raw = getattr(function, "__name__", "")
    if name in ATTRIBUTES or name.startswith(("is_", "has_")):
        return "", False
    in_place = raw in IN_PLACE or (raw.endswith("_") and not raw.endswith("__"))
    return name, in_place
