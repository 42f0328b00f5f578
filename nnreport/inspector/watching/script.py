"""Runs a Python script as ``python SCRIPT ARGS`` would: its ``__main__``, argv, import path, exit status and traceback."""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import io
import os
import runpy
import sys
import types
from pathlib import Path
from types import TracebackType

from nnreport.errors import UsageError
from nnreport.inspector.breaking.quit import DebuggerQuit
from nnreport.job import ScriptJob


def run_script(job: ScriptJob) -> BaseException | None:
    """Runs it to its end, and gives what it raised (``SystemExit`` too), else None.

    Raises:
        UsageError: there is no such script or module.
    """
    if job.module:
        return run_module(job)
    path = os.path.join(os.getcwd(), job.script)  # absolute, and not tidied, as Python has it
    code = compiled(job.script, path)
    sys.argv = [job.script, *job.arguments]
    first_on_path(os.path.dirname(os.path.realpath(path)))
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __cached__=None,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __spec__=None,
        __package__=None,
    )
    sys.modules["__main__"] = main
    try:
        exec(code, main.__dict__)
    except BaseException as error:
        return error
    return None


def first_on_path(folder: str) -> None:
    """Where imports are looked for first: in place of the folder that our own start put there, unless Python was told not to
    (``-P``, ``-I``)."""
    if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
        sys.path[0:1] = [folder]


def compiled(path: str, full: str) -> types.CodeType | str:
    """The script's code, under its full path; a syntax error is left to be raised as Python would, when it is run.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with io.open_code(path) as file:
            source = file.read()
    except FileNotFoundError:
        near = f"; is it {path}.py?" if Path(f"{path}.py").is_file() else ""
        raise UsageError(f"there is no script {path}{near}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name the script in it") from None
    except OSError as error:
        raise UsageError(f"the script {path} cannot be read: {error.strerror}") from None
    try:
        return compile(source, full, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return f"compile(open({full!r}, 'rb').read(), {full!r}, 'exec')"


def run_module(job: ScriptJob) -> BaseException | None:
    """``python -m MODULE ARGS``."""
    first_on_path(os.getcwd())
    sys.argv = [job.script, *job.arguments]
    try:
        there = importlib.util.find_spec(job.script) is not None
    except ModuleNotFoundError as error:
        there = error.name is None or not f"{job.script}.".startswith(f"{error.name}.")
    except Exception:  # of a package around it: it is raised again below, as the script's own
        there = True
    if not there:
        raise UsageError(f"there is no module {job.script}; run it from the folder that holds it, or name the script's file")
    try:
        runpy.run_module(job.script, run_name="__main__", alter_sys=True)
    except BaseException as error:
        return error
    return None


def status_of(error: BaseException | None) -> int:
    """The exit status that Python gives a script that ended so; what it has to say of it goes to standard error."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    if isinstance(error, DebuggerQuit):
        return 130
    sys.excepthook(type(error), error, users_part(error.__traceback__))
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without our frames (and those of :mod:`runpy`) at its beginning."""
    while trace is not None and (
        trace.tb_frame.f_code.co_filename in (__file__, runpy.__file__) or "<frozen runpy>" in trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    return trace
