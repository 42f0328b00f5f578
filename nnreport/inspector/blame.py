"""Failures of training: the record of an exception with the module's path in the copy, and lines of the user's for what ran."""

from __future__ import annotations

import inspect
from types import FrameType
from typing import Any

from torch import Tensor, nn

from nnreport.facts import Failure, Location, TensorInfo
from nnreport.inspector.locate import location_at, origin_of
from nnreport.inspector.tracebacks import Phase, failure_of, innermost_module
from nnreport.inspector.training.outputs import named_tensors

MOST_INPUTS = 8


def training_failure(
    error: BaseException, phase: Phase, model: nn.Module | None = None, given: Any = None, hint: str = ""
) -> Failure:
    """What is known of ``error``, raised by the user's code while the copy was trained.

    Args:
        error: the exception, with its traceback.
        phase: what was being done.
        model: the copy, to name the innermost of its modules on the traceback.
        given: what was passed to the failing part; its tensors' shapes are recorded.
        hint: how to mend it, if the caller knows.
    """
    failure = failure_of(error, phase, hint)
    inner = innermost_module(error.__traceback__)
    if model is not None and inner is not None:
        failure.module = next((name for name, module in model.named_modules() if module is inner), None)
    failure.inputs = [tensor_info(tensor) for _, tensor in named_tensors(given)][:MOST_INPUTS]
    return failure


def tensor_info(tensor: Tensor) -> TensorInfo:
    """Shape and dtype as the report writes them."""
    return TensorInfo(shape=list(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."))


def user_location(frame: FrameType | None) -> Location | None:
    """The innermost line of the user's own at or above ``frame``, else of a package other than torch; None without both."""
    package: FrameType | None = None
    while frame is not None:
        origin = origin_of(frame.f_code.co_filename)
        if origin == "user":
            return location_at(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        if origin == "package" and package is None:
            package = frame
        frame = frame.f_back
    return location_at(package.f_code.co_filename, package.f_lineno, package.f_code.co_name) if package is not None else None


def function_location(value: Any) -> Location | None:
    """Where a function, class or callable object is written."""
    if not inspect.isfunction(value) and not inspect.isclass(value) and not inspect.ismethod(value):
        value = type(value)
    try:
        line = inspect.getsourcelines(value)[1]
        return location_at(inspect.getsourcefile(value) or "", line, getattr(value, "__name__", ""))
    except (OSError, TypeError):
        return None
