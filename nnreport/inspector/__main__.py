"""The child process: a job comes in as JSON on the command line, events go out on standard output, one a line.

What the user's code prints goes to standard error, and never into the stream: the stream keeps a private copy of the
descriptor, and descriptor 1 is pointed at standard error before any of the user's code is imported.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time

import msgspec

from nnreport.events import AnyEvent, encoder
from nnreport.job import Job

ORPHAN_POLL = 1.0
"""Seconds between looks whether the parent is still there."""


class Stream:
    """Writes events to a descriptor of its own, whole lines, from any thread."""

    def __init__(self) -> None:
        self.file = os.fdopen(os.dup(1), "wb", buffering=0)
        os.set_inheritable(self.file.fileno(), False)
        os.dup2(2, 1)
        self.lock = threading.Lock()

    def __call__(self, event: AnyEvent) -> None:
        line = memoryview(encoder.encode(event) + b"\n")
        with self.lock:
            while line:
                line = line[self.file.write(line) :]


def die_with_parent(parent: int) -> None:
    """Ends this process when the front is gone, however it went."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; reaches a forward that holds the GIL, too

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Reads the job from ``argv[1]`` and runs it."""
    faulthandler.enable()
    job = msgspec.json.decode(sys.argv[1], type=Job)
    die_with_parent(int(sys.argv[2]))
    sys.argv = [job.target.partition(":")[0]]
    stream = Stream()
    # the user's stdin is not ours: input() in a model must not wait for ever
    sys.stdin = open(os.devnull)  # noqa: SIM115
    from nnreport.inspector.pipeline import Pipeline

    Pipeline(job, stream).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the front has everything; torch's teardown takes a tenth of a second that nobody needs


if __name__ == "__main__":
    main()
