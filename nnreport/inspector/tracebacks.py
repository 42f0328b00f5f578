"""Where the user's code failed: an exception to a :class:`~nnreport.facts.Failure`, a file to a path fit for a report."""

from __future__ import annotations

import functools
import linecache
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal

from torch import nn

from nnreport.facts import Failure, Frame, Location

Phase = Literal["construct", "forward", "backward", "loss", "data", "optimizer", "weights"]

_OURS = str(Path(__file__).resolve().parent.parent) + os.sep
_MESSAGE_LIMIT = 2000


class UserFailure(Exception):
    """The user's own code raised where a result was needed; ``failure`` says what and where."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.exception}: {failure.message}")
        self.failure = failure


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib") if key in paths}
    return tuple(os.path.realpath(root) + os.sep for root in roots)


@functools.cache
def is_user_file(filename: str) -> bool:
    """False for the standard library, installed packages, nnreport itself and code without a file."""
    if not filename or filename.startswith("<"):
        return False
    full = os.path.realpath(filename)
    if full.startswith(_OURS) or f"{os.sep}site-packages{os.sep}" in full or f"{os.sep}dist-packages{os.sep}" in full:
        return False
    return not full.startswith(_library_roots())


def shown_path(filename: str) -> str:
    """A path for the report, never absolute: below the working directory or a folder of ``sys.path``, else the name alone."""
    if filename.startswith("<"):
        return filename
    full = os.path.realpath(filename)
    roots = [os.getcwd(), *sorted({os.path.realpath(entry) for entry in sys.path if entry}, key=len, reverse=True)]
    for root in map(os.path.realpath, roots):
        if full.startswith(root.rstrip(os.sep) + os.sep):
            return Path(os.path.relpath(full, root)).as_posix()
    return os.path.basename(full)


def location_at(filename: str, line: int, function: str = "") -> Location:
    """The location of a line of a file, with its text where that can be read."""
    text = linecache.getline(filename, line).strip()
    return Location(path=shown_path(filename), line=line, user=is_user_file(filename), function=function, text=text)


def user_frames(trace: TracebackType | None) -> list[Frame]:
    """The user's own frames of a traceback, outermost first."""
    return [
        Frame(location=location_at(frame.f_code.co_filename, line, frame.f_code.co_name))
        for frame, line in traceback.walk_tb(trace)
        if is_user_file(frame.f_code.co_filename)
    ]


def innermost_module(trace: TracebackType | None) -> nn.Module | None:
    """The module whose method ran deepest in a traceback."""
    found: nn.Module | None = None
    for frame, _ in traceback.walk_tb(trace):
        owner = _self_of(frame)
        if isinstance(owner, nn.Module):
            found = owner
    return found


def _self_of(frame: FrameType) -> Any:
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return frame.f_locals.get(names[0]) if names else None


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
    """The failure with the user's frames and the module in which it happened."""
    frames = user_frames(error.__traceback__)
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
