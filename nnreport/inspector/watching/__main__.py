"""The child process of ``nnreport run``: the script runs here as its own ``__main__``, and what is seen goes up a pipe.

Standard input, output and error are the script's alone. The pipe's descriptor is closed in every process that the script starts.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from nnreport.errors import UsageError
from nnreport.events import AnyEvent, DoneEvent, NoteEvent, ScriptEvent, UsageEvent, encoder
from nnreport.inspector.watching.arrival import on_import
from nnreport.inspector.watching.script import run_script, status_of
from nnreport.job import ScriptJob

DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""


class Pipe:
    """Writes events, whole lines, from any thread of this process alone."""

    def __init__(self, descriptor: int) -> None:
        self.file = os.fdopen(descriptor, "wb", buffering=0)
        os.set_inheritable(descriptor, False)
        self.lock = threading.Lock()
        self.pid = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.file.close)

    def __call__(self, event: AnyEvent) -> None:
        if os.getpid() != self.pid or self.file.closed:
            return
        line = memoryview(encoder.encode(event) + b"\n")
        with self.lock:
            while line:
                try:
                    line = line[self.file.write(line) :]
                except BrokenPipeError:  # the front is gone; the script goes on
                    self.file.close()
                    return


def main(judge: Callable[[str, Any], tuple[Any, str]] | None = None) -> None:
    """Reads the job from ``argv[1]`` and the pipe's descriptor from ``argv[2]``, runs the script, and looks at its model.

    Args:
        judge: asks a check what it would say, for a breakpoint.
    """
    job = msgspec.json.decode(sys.argv[1], type=ScriptJob)
    pipe = Pipe(int(sys.argv[2]))
    die_with_parent()
    from nnreport.inspector.watching.session import ScriptSession

    session = ScriptSession(job, pipe, judge)
    on_import("torch", session.torch_arrived)
    guard_exit(session)
    pipe(ScriptEvent())
    try:
        error = run_script(job)
    except UsageError as wrong:
        pipe(UsageEvent(message=str(wrong)))
        os._exit(2)
    session.script_ended(error)
    status = status_of(error)
    flush()
    pipe(ScriptEvent(status=status))
    if not session.imported:
        pipe(NoteEvent(text="The script never imported torch."))
    session.finish()
    pipe(DoneEvent())
    pipe.file.close()
    session.exiting = True
    sys.exit(status)


def guard_exit(session: object) -> None:
    """A script that leaves by ``os._exit`` loses nothing: what was seen is sent first."""
    leave = os._exit
    pid = os.getpid()

    def _exit(status: int) -> None:
        from nnreport.inspector.watching.session import ScriptSession

        assert isinstance(session, ScriptSession)
        if os.getpid() == pid and not session.exiting:
            session.exiting = True
            flush()
            session.emit(ScriptEvent(status=status & 0xFF))
            session.script_ended(None)
            session.finish()
            session.emit(DoneEvent())
        leave(status)

    os._exit = _exit  # type: ignore[assignment]


def flush() -> None:
    """What the script printed is out before we speak."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # closed by the script
            continue


def die_with_parent() -> None:
    """The script does not outlive a front that was killed."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)


if __name__ == "__main__":
    main()
