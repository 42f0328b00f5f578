"""torch's optimizers without torch's compiler.

``Optimizer.step`` (through ``_use_grad_for_differentiable``), ``zero_grad`` and ``add_param_group`` (through
``_disable_dynamo``) import ``torch._dynamo`` on first use, for the sake of graphs that are being compiled: two seconds that a
training step in eager mode does not need. Here the same functions run without those wrappers, to the bit; where torch's internals
do not look as expected, nothing is changed and the import is paid.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

MARK = "__dynamo_disable"
"""Attribute in which ``torch._disable_dynamo`` keeps its wrapped function: set, it does not import the compiler."""


@contextmanager
def without_compiler() -> Iterator[None]:
    """While this is entered, the bookkeeping methods of optimizers do not import the compiler."""
    marked = []
    if "torch._dynamo" not in sys.modules:
        for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
            raw = getattr(getattr(Optimizer, name, None), "__wrapped__", None)
            if raw is not None and not hasattr(raw, MARK):
                setattr(raw, MARK, raw)
                marked.append(raw)
    try:
        yield
    finally:
        for raw in marked:
            delattr(raw, MARK)


def bare_step(cls: type[Any]) -> Callable[..., Any] | None:
    """The ``step`` that torch's author wrote, without ``_use_grad_for_differentiable`` around it; None if there is no such
    wrapper (a user's own optimizer) or it looks unlike what is known."""
    function: Any = getattr(cls, "step", None)
    for _ in range(4):
        code = getattr(function, "__code__", None)
        inner = getattr(function, "__wrapped__", None)
        if code is None or inner is None:
            return None
        if code.co_name == "_use_grad" and "func" in code.co_freevars:
            return inner
        function = inner
    return None


def lighten(optimizer: Any) -> Any:
    """Gives this one optimizer a ``step`` and a ``zero_grad`` that import no compiler. Hooks registered on it still run."""
    cls = type(optimizer)
    if "torch._dynamo" in sys.modules or not isinstance(optimizer, Optimizer) or "step" in vars(optimizer):
        return optimizer  # a scheduler that has put itself around step counts on finding it there
    raw = bare_step(cls)
    hooked = getattr(Optimizer, "profile_hook_step", None)
    if raw is not None and hooked is not None and "differentiable" in optimizer.defaults:

        @wraps(raw)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                return raw(self, *args, **kwargs)

        optimizer.step = MethodType(hooked(step), optimizer)  # type: ignore[method-assign]
    clear = getattr(cls.zero_grad, "__wrapped__", None)
    if cls.zero_grad is Optimizer.zero_grad and clear is not None:
        optimizer.zero_grad = MethodType(clear, optimizer)  # type: ignore[method-assign]
    return optimizer
