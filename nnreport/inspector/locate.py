"""Where code stands: the user's own lines, told from torch's, the packages' and ours.

A path is never absolute: it is relative to the working directory for the user's files, and to the package root
(``torch/nn/modules/linear.py``) for installed ones.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Literal

from nnreport.facts import Frame, Location

Origin = Literal["user", "package", "torch", "other"]
"""``other``: the standard library, generated code and nnreport itself."""

OURS = str(Path(__file__).resolve().parent.parent)
SITE = ("/site-packages/", "/dist-packages/")
STDLIB = tuple({os.path.realpath(path) + os.sep for key in ("stdlib", "platstdlib") if (path := sysconfig.get_paths().get(key))})
MAX_FRAMES = 40
"""Frames of a traceback that are kept; an endless recursion has thousands."""


@lru_cache(maxsize=4096)
def origin_of(filename: str) -> Origin:
    """Whose file it is."""
    if filename.startswith("<"):
        return "user" if filename.startswith("<ipython") else "other"
    path = os.path.realpath(filename)
    tidy = path.replace(os.sep, "/")
    for marker in SITE:
        if marker in tidy:
            package = tidy.rpartition(marker)[2].partition("/")[0]
            return "torch" if package == "torch" else "package"
    if path.startswith(OURS + os.sep):
        return "other"
    torch = sys.modules.get("torch")
    if torch is not None and torch.__file__ and path.startswith(os.path.dirname(os.path.realpath(torch.__file__)) + os.sep):
        return "torch"
    if path.startswith(STDLIB):
        return "other"
    return "user"


@lru_cache(maxsize=4096)
def relative_path(filename: str) -> str:
    """The path as the reader should see it, never absolute: below the working directory, else below a folder of ``sys.path``,
    else the name alone; with forward slashes."""
    if filename.startswith("<"):
        return filename
    path = os.path.realpath(filename)
    tidy = path.replace(os.sep, "/")
    for marker in SITE:
        if marker in tidy:
            return tidy.rpartition(marker)[2]
    for root in STDLIB:
        if path.startswith(root):
            return path[len(root) :].replace(os.sep, "/")
    if path.startswith(OURS + os.sep):
        return "nnreport" + tidy[len(OURS) :]
    roots = [os.getcwd(), *sorted({entry for entry in sys.path if entry}, key=len, reverse=True)]
    for folder in map(os.path.realpath, roots):
        if path.startswith(folder.rstrip(os.sep) + os.sep):
            return os.path.relpath(path, folder).replace(os.sep, "/")
    return os.path.basename(path)


def location_at(filename: str, line: int, function: str = "", origin: Origin | None = None) -> Location:
    """The line as a record, with its text where the file can be read."""
    whose = origin or origin_of(filename)
    text = linecache.getline(filename, line).strip() if line > 0 else ""
    return Location(path=relative_path(filename), line=max(line, 0), user=whose == "user", function=function, text=text)


def class_location(cls: type) -> Location | None:
    """Where a class is defined, or None where that cannot be told (built in, made by ``exec``)."""
    try:
        filename = inspect.getsourcefile(cls) or inspect.getfile(cls)
        line = class_line(cls, filename)
    except (OSError, TypeError):
        return None
    return location_at(filename, line, cls.__qualname__)


@lru_cache(maxsize=4096)
def class_line(cls: type, filename: str) -> int:
    """Line of the ``class`` statement. A scan of the text for it, which is a hundred times faster than :mod:`inspect`'s parse;
    where the name stands several times, inspect decides."""
    first = getattr(cls, "__firstlineno__", None)  # Python 3.13
    if isinstance(first, int) and first > 0:
        return first
    start = f"class {cls.__name__}"
    found = [
        number
        for number, text in enumerate(linecache.getlines(filename), 1)
        if text.lstrip().startswith(start) and text.lstrip()[len(start) : len(start) + 1] in ("(", ":", "[", " ")
    ]
    if len(found) == 1:
        return found[0]
    lines, number = inspect.getsourcelines(cls)
    return next((number + i for i, text in enumerate(lines) if text.lstrip().startswith("class ")), number)


class Caller:
    """Finds the line from which the running operation was called; remembers what it found.

    Args:
        boundary: the function of ours that called the user's code; frames outside it are not looked at.
    """

    def __init__(self, boundary: CodeType) -> None:
        self.boundary = boundary
        self.known: dict[tuple[CodeType, int], Location] = {}

    def find(self, frame: FrameType | None) -> Location | None:
        """The user's innermost line, else the innermost line of a package that is not torch, else None."""
        fallback: FrameType | None = None
        while frame is not None:
            code = frame.f_code
            if code is self.boundary:
                break
            origin = origin_of(code.co_filename)
            if origin == "user":
                return self.location(frame)
            if origin == "package" and fallback is None:
                fallback = frame
            frame = frame.f_back
        return self.location(fallback) if fallback is not None else None

    def location(self, frame: FrameType) -> Location:
        key = (frame.f_code, frame.f_lineno)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = location_at(frame.f_code.co_filename, frame.f_lineno, function_name(frame.f_code))
        return found


def function_name(code: CodeType) -> str:
    """``Net.forward`` where Python knows it (3.11 and later), else ``forward``."""
    return getattr(code, "co_qualname", code.co_name).replace(".<locals>", "")


def traceback_frames(traceback: TracebackType | None) -> list[Frame]:
    """The user's frames of a traceback, outermost first; those of packages other than torch where there is none of the user's."""
    rows: list[tuple[Origin, Location]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        origin = origin_of(code.co_filename)
        if origin in ("user", "package"):
            rows.append((origin, location_at(code.co_filename, traceback.tb_lineno, function_name(code), origin)))
        traceback = traceback.tb_next
    users = [Frame(location=location) for origin, location in rows if origin == "user"]
    return (users or [Frame(location=location) for _, location in rows])[-MAX_FRAMES:]
