"""Where the user's code failed: an exception to a :class:`~nnreport.facts.Failure`."""

from __future__ import annotations

import traceback
from types import FrameType, TracebackType
from typing import Any, Literal

from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import Failure
from nnreport.inspector.locate import traceback_frames

Phase = Literal["construct", "forward", "backward", "loss", "data", "optimizer", "weights", "script"]

_MESSAGE_LIMIT = 2000


class UserFailure(UsageError):
    """The user's own code raised where a result was needed to go on; ``failure`` says what and where.

    Whoever can go on without the result records the failure; for others it is wrong usage of one line.
    """

    def __init__(self, failure: Failure, what: str) -> None:
        first = next((line.strip() for line in failure.message.splitlines() if line.strip()), "")
        at = f" ({failure.location.path}:{failure.location.line})" if failure.location is not None else ""
        super().__init__(f"{what} raised {failure.exception}{': ' if first else ''}{first}{at}")
        self.failure = failure


def innermost_module(trace: TracebackType | None) -> nn.Module | None:
    """The module whose method ran deepest in a traceback."""
    found: nn.Module | None = None
    for frame, _ in traceback.walk_tb(trace):
        owner = _self_of(frame)
        if isinstance(owner, nn.Module):
            found = owner
    return found


def _self_of(frame: FrameType) -> Any:
    """What a method runs on; ``train(model, …)`` is a function, though its first argument has a method of that name."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    if not names:
        return None
    owner = frame.f_locals.get(names[0])
    if names[0] == "self":
        return owner
    name = frame.f_code.co_name
    methods = (vars(cls).get(name) for cls in type(owner).__mro__)
    return owner if any(getattr(method, "__code__", None) is frame.f_code for method in methods) else None


def qualified(cls: type) -> str:
    """``torch.nn.modules.linear.Linear``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def message_of(error: BaseException) -> str:
    """Its text, cut where it is endless; a broken ``__str__`` of the user's does no harm."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " …"


def one_line(error: BaseException) -> str:
    """``ValueError: its first line``, for a message of one line."""
    first = next((line.strip() for line in message_of(error).splitlines() if line.strip()), "")
    name = type(error).__name__
    return f"{name}: {first}" if first else name


def failure_of(error: BaseException, phase: Phase, hint: str = "") -> Failure:
    """The failure with the user's frames (a package's where there are none) and the module in which it happened."""
    frames = traceback_frames(error.__traceback__)
    module = innermost_module(error.__traceback__)
    return Failure(
        phase=phase,
        exception=type(error).__name__,
        message=message_of(error),
        cls=qualified(type(module)) if module is not None else "",
        location=frames[-1].location if frames else None,
        frames=frames,
        hint=hint,
    )
