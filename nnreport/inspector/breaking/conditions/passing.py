"""``forward:PATH`` and ``backward:PATH``: a module is called; a gradient comes to its output."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import nn

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.frames import location_of
from nnreport.inspector.breaking.hit import Hit, named
from nnreport.inspector.locate import origin_of
from nnreport.inspector.training.outputs import named_tensors


class Forward(Condition):
    """Opens on the first line of the module's own ``forward`` where that is the user's code; for one of torch's, on the user's
    line that calls it."""

    modules = True

    def module_begins(self, path: str, module: nn.Module, args: Any, kwargs: Any) -> Hit | None:
        if not self.spec.matches(path):
            return None
        hit = Hit(
            text=f"the forward pass comes to {named(path, type(module).__name__)}",
            phase="forward",
            module=path,
            cls=type(module).__name__,
            here={"inputs": args, "keywords": kwargs, "module": module},
        )
        if not is_users(module):
            return hit
        self.enter(module, lambda frame: self.entered(hit, frame))
        return None

    def entered(self, hit: Hit, frame: FrameType) -> Any:
        hit.frame = frame
        return self.breakpoints.answer(self, hit)

    def enter(self, module: nn.Module, then: Callable[[FrameType], Any]) -> None:
        """Calls ``then`` with the frame of the module's own method, as soon as it begins to run."""
        before = sys.gettrace()

        def trace(frame: FrameType, event: str, arg: Any) -> Any:
            code = frame.f_code
            if event != "call" or not code.co_argcount or origin_of(code.co_filename) != "user":
                return None
            if frame.f_locals.get(code.co_varnames[0]) is not module:
                return None
            sys.settrace(before)
            if not self.armed:
                return None
            return then(frame)

        sys.settrace(trace)


def is_users(module: nn.Module) -> bool:
    """Its forward is Python that the user wrote."""
    try:
        return origin_of(inspect.unwrap(type(module).forward).__code__.co_filename) == "user"
    except AttributeError:
        return False


class Backward(Condition):
    """The gradient of the module's output is there, and goes on into the module from here."""

    modules = True

    def module_ended(self, path: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Hit | None:
        if not torch.is_grad_enabled() or not self.spec.matches(path):
            return None
        made = location_of(self.breakpoints.user_frame())
        for _, tensor in named_tensors(output):
            if tensor.requires_grad:
                tensor.register_hook(partial(self.came, path, module, args, tensor.detach(), made))
        return None

    def came(self, path: str, module: nn.Module, args: Any, output: Any, made: Any, gradient: Any) -> None:
        if self.armed:
            hit = Hit(
                text=f"the backward pass comes to {named(path, type(module).__name__)}",
                phase="backward",
                module=path,
                cls=type(module).__name__,
                here={
                    "gradient": gradient,
                    "output": output,
                    "inputs": args,
                    "module": module,
                    "parameters": dict(module.named_parameters(recurse=False)),
                },
                made=made,
            )
            self.breakpoints.answer(self, hit)
