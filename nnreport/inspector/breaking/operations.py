"""Hears every torch function that runs, with what it was given and what it gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode

from nnreport.inspector.training.lossview import plain_name
from nnreport.inspector.training.nonfinite import bad, floating
from nnreport.inspector.training.outputs import named_tensors

ATTRIBUTES = frozenset(
    ("get", "set", "delete", "requires_grad", "grad", "is_leaf", "backward", "register_hook", "repr", "format", "len", "iter")
)
"""Names of functions that are no operation."""
IN_PLACE = frozenset(("__iadd__", "__isub__", "__imul__", "__itruediv__", "__setitem__"))


class Operation(NamedTuple):
    """One call of a torch function."""

    function: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    spoilt: bool
    """It changed a tensor in place that held NaN or Inf before."""

    @property
    def inputs(self) -> list[Tensor]:
        return [t for _, t in named_tensors((self.args, self.kwargs)) if floating(t)]

    @property
    def outputs(self) -> list[Tensor]:
        """What it gave, or changed."""
        found = [t for _, t in named_tensors(self.output) if floating(t)]
        if self.name == "setitem" and self.args and isinstance(self.args[0], Tensor) and floating(self.args[0]):
            found.append(self.args[0])
        return found


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
        if not name or not self.listening():
            return func(*args, **kwargs)
        spoilt = in_place and self.finite and any(floating(t) and bad([t.detach()]) for t in args[:1] if isinstance(t, Tensor))
        result = func(*args, **kwargs)
        self.heard(Operation(func, name, args, kwargs, result, spoilt))
        return result


@lru_cache(maxsize=4096)
def known(function: Any) -> tuple[str, bool]:
    """(its plain name, it works in place); ``""`` for what is no operation."""
    name = plain_name(function)
    raw = getattr(function, "__name__", "")
    if name in ATTRIBUTES or name.startswith(("is_", "has_")):
        return "", False
    in_place = raw in IN_PLACE or (raw.endswith("_") and not raw.endswith("__"))
    return name, in_place
