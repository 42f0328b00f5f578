"""The front's half of ``nnreport run``: starts the script's process, collects what is seen, and outlives whatever happens to it.

The script has the terminal to itself: its standard streams are the front's own, signals from the keyboard reach it directly, and
the front waits.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec
import psutil

from nnreport.errors import UsageError
from nnreport.events import AnyEvent, FaultEvent, ScriptEvent, decoder
from nnreport.job import ScriptJob
from nnreport.session import SIGNALS, Collector, Listener

POLL = 0.5
"""Seconds between looks at the script's own processes."""
DRAIN = 30.0
"""Seconds that the last events may take to be read and told after the script's process is gone."""
MOST_FAULTS = 5
PATIENCE = 6.0
"""Seconds that processes of the script's have to notice that it is gone (a loader's workers look every five)."""


class ScriptRun:
    """One run of a script as a child process.

    Attributes:
        status: the script's exit status, once it has ended; 128 + n where signal n ended it.
        collector: what was seen.
    """

    def __init__(self, job: ScriptJob, collector: Collector, listeners: Sequence[Listener] = ()) -> None:
        self.listeners = listeners
        self.collector = collector
        self.faults: list[str] = []
        """Of listeners; none of them may cost the run."""
        self.job = job
        self.status: int | None = None
        self.queue: queue.SimpleQueue[AnyEvent | None] = queue.SimpleQueue()
        self.family: dict[int, psutil.Process] = {}
        read, write = os.pipe()
        command = [sys.executable, *python_options(), "-m", "nnreport.scriptchild", msgspec.json.encode(job).decode(), str(write)]
        self.child = subprocess.Popen(command, pass_fds=(write,))
        os.close(write)
        self.reader = threading.Thread(target=self.read_events, args=(os.fdopen(read, "rb"),), daemon=True)
        self.teller = threading.Thread(target=self.tell, daemon=True)
        self.reader.start()
        self.teller.start()

    def read_events(self, stream: IO[bytes]) -> None:
        """Feeds the collector until the pipe is closed."""
        for line in stream:
            try:
                event = decoder.decode(line)
            except msgspec.DecodeError as error:
                event = FaultEvent(stage="stream", traceback=f"an event could not be read: {error}")
            self.collector(event)
            self.queue.put(event)
            if isinstance(event, ScriptEvent) and event.status is not None:
                self.status = event.status
        self.queue.put(None)

    def tell(self) -> None:
        """Hands the events on to the listeners, in a thread of its own: a full pipe would hold up the script."""
        while (event := self.queue.get()) is not None:
            for listener in self.listeners:
                try:
                    listener.event(event)
                except Exception as fault:
                    if len(self.faults) < MOST_FAULTS:
                        self.faults.append(f"{type(listener).__name__}: {type(fault).__name__}: {fault}")

    def collect(self) -> Collector:
        """Waits for the end of the script and gives everything that was seen.

        Raises:
            UsageError: there is no such script.
        """
        with self.signals():
            while True:
                try:
                    code = self.child.wait(POLL)
                    break
                except subprocess.TimeoutExpired:
                    self.look_at_family()
                except KeyboardInterrupt:  # pressed before our handler was there
                    continue
            self.reader.join(DRAIN)
            self.teller.join(DRAIN)
            self.end_family()
        if self.collector.usage is not None:
            raise UsageError(self.collector.usage)
        self.settle(code)
        return self.collector

    def settle(self, code: int) -> None:
        """The status, and what is said where the process did not end by itself."""
        ended = self.status is not None
        if code < 0:
            name = signal.Signals(-code).name
            self.status = 128 - code
            if not self.collector.done:
                self.collector.close("killed", f"the script's process {SIGNALS.get(name, 'was ended')} ({name})")
        else:
            self.status = code
            if not self.collector.done:
                what = "after the script had ended" if ended else "(the interpreter gave up, or a C library)"
                self.collector.close("killed", f"the process ended itself with status {code} {what}")
        run = self.collector.facts.run
        if run is not None:
            run.status = self.status
            run.children = len(self.family)
            if not run.steps and run.children:
                run.seen.append(children_in_words(run.children))
                self.collector.facts.notes.append(run.seen[-1])

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Ctrl-C is the script's to answer (the terminal sends it to both); a request to end is handed on to it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hand_on(number: int, frame: object) -> None:
            with contextlib.suppress(ProcessLookupError):
                self.child.send_signal(number)

        kept: dict[Any, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        for each in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if each is not None:
                kept[each] = signal.signal(each, hand_on)
        try:
            yield
        finally:
            for each, handler in kept.items():
                signal.signal(each, handler)

    def look_at_family(self) -> None:
        """Notes the processes that the script has started."""
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self.child.pid).children(recursive=True):
                self.family.setdefault(process.pid, process)

    def end_family(self) -> None:
        """Processes of the script's that it left behind in its own group are ended, after they had time to see it themselves."""
        group = os.getpgrp() if hasattr(os, "getpgrp") else None
        until = time.monotonic() + PATIENCE

        def left() -> list[psutil.Process]:
            found = []
            for process in self.family.values():
                with contextlib.suppress(psutil.Error, OSError):
                    if process.is_running() and process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                        found.append(process)
            return found

        while (alive := left()) and time.monotonic() < until:
            time.sleep(0.05)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.terminate()


def python_options() -> list[str]:
    """The options that our own Python was given (``-O -W error -X dev -u``): the script is run as it would be with them."""
    given: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [*given, *(["-u"] if getattr(sys.stdout, "write_through", False) else [])]


def children_in_words(number: int) -> str:
    """Of a script that does not train itself: perhaps they do."""
    start = "A child process was" if number == 1 else f"{number} child processes were"
    return (
        f"{start} started; nnreport watches the script's own process only. With torchrun put nnreport behind it: "
        "torchrun --nproc-per-node 2 -m nnreport run train.py"
    )
