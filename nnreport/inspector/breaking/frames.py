"""Where a stop belongs: the user's own frame, told from torch's and ours."""

from __future__ import annotations

from types import FrameType, TracebackType

from nnreport.facts import Location
from nnreport.inspector.locate import function_name, location_at, origin_of


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The user's innermost frame at or above ``frame``, else a package's; where there is neither, the loop of
    ``nnreport debug``."""
    package: FrameType | None = None
    while frame is not None:
        origin = origin_of(frame.f_code.co_filename)
        if origin == "user":
            return frame
        if is_loop(frame):  # what lies outside is the command itself
            return package or frame
        if origin == "package" and package is None:
            package = frame
        frame = frame.f_back
    return package


def outermost_user_frame(frame: FrameType) -> FrameType:
    """Where a stack of the user's begins: what lies outside is how we run the script."""
    found, each = frame, frame.f_back
    while each is not None and not is_loop(found):
        if is_shown(each):
            found = each
        each = each.f_back
    return found


def is_loop(frame: FrameType) -> bool:
    """The training loop of ``nnreport debug``, which stands for a script's."""
    return frame.f_code.co_name == "train" and frame.f_globals.get("__name__") == "nnreport.inspector.breaking.loop"


def is_shown(frame: FrameType) -> bool:
    """A frame that a debugger may open in."""
    return origin_of(frame.f_code.co_filename) == "user" or is_loop(frame)


def location_of(frame: FrameType | None, line: int | None = None) -> Location | None:
    """The line that a frame is at."""
    if frame is None:
        return None
    return location_at(frame.f_code.co_filename, line or frame.f_lineno, function_name(frame.f_code))


def innermost(trace: TracebackType | None) -> tuple[FrameType, int] | None:
    """(frame, line) of the user's innermost frame in a traceback; else of the last there is."""
    found = last = None
    while trace is not None:
        last = trace.tb_frame, trace.tb_lineno
        if is_shown(trace.tb_frame):
            found = last
        trace = trace.tb_next
    return found or last
