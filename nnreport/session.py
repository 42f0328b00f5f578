"""Starts the inspector, collects its events, watches its time and memory, and survives its death.

The front never waits for the child to be kind: whatever happens to it, everything that arrived is kept, the stage that was
running is marked with what became of it, and no process is left behind.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import IO, Any, Protocol

import msgspec
import psutil

from nnreport.errors import UsageError
from nnreport.events import (
    AnyEvent,
    BreakEvent,
    DoneEvent,
    FactEvent,
    FailureEvent,
    FaultEvent,
    NoteEvent,
    StageEvent,
    UsageEvent,
    decoder,
)
from nnreport.facts import Facts, Stage
from nnreport.job import Job

POLL = 0.1
"""Seconds between looks at the clock and at the child's memory."""
TAIL = 30
"""Lines of the child's standard error that are kept to explain a crash."""
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""The child's OpenMP threads sleep while they wait: on a busy machine (or beside the front that draws) threads that spin make
small steps ten times slower."""
SIGNALS = {
    "SIGKILL": "was killed by the system, most likely because the machine ran out of memory",
    "SIGSEGV": "crashed with a segmentation fault",
    "SIGABRT": "aborted",
    "SIGBUS": "crashed with a bus error",
    "SIGFPE": "crashed with an arithmetic fault",
    "SIGILL": "crashed with an illegal instruction",
    "SIGTERM": "was terminated",
}


class Listener(Protocol):
    """Shows what goes on."""

    def event(self, event: AnyEvent) -> None:
        """An event arrived."""

    def output(self, line: str) -> None:
        """The user's code printed a line."""


class Collector:
    """Turns events into :class:`Facts` and stages."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.stages: dict[str, Stage] = {}
        self.faults: list[FaultEvent] = []
        self.usage: str | None = None
        self.done = False

    def __call__(self, event: AnyEvent) -> None:
        if isinstance(event, FactEvent):
            for name in event.__struct_fields__:
                value = getattr(event, name)
                if value is not None:
                    setattr(self.facts, name, value)
        elif isinstance(event, StageEvent):
            self.stages[event.stage.name] = event.stage
        elif isinstance(event, FailureEvent):
            self.facts.failures.append(event.failure)
        elif isinstance(event, BreakEvent):
            self.facts.breaks.append(event.hit)
        elif isinstance(event, NoteEvent):
            if event.text not in self.facts.notes:
                self.facts.notes.append(event.text)
        elif isinstance(event, UsageEvent):
            self.usage = event.message
        elif isinstance(event, FaultEvent):
            self.faults.append(event)
            if event.stage == "stream":  # a part of the facts is missing, and the reader is told
                self.stages["stream"] = Stage(name="stream", state="failed", error=event.traceback)
        elif isinstance(event, DoneEvent):
            self.done = True

    def close(self, state: str, reason: str) -> None:
        """The stream ended before its end: what was running gets that state and reason."""
        for stage in self.stages.values():
            if stage.state == "running":
                stage.state, stage.error = state, reason  # type: ignore[assignment]
                return
        self.stages["inspector"] = Stage(name="inspector", state=state, error=reason)  # type: ignore[arg-type]


class Inspection:
    """One run of the inspector as a child process."""

    def __init__(self, job: Job, listener: Listener, timeout: float, memory_limit: int | None) -> None:
        self.listener = listener
        self.timeout = timeout
        self.memory_limit = memory_limit
        self.collector = Collector()
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.queue: queue.SimpleQueue[AnyEvent | str | None] = queue.SimpleQueue()
        self.start = time.monotonic()
        command = [sys.executable, "-m", "nnreport.inspector", msgspec.json.encode(job).decode(), str(os.getpid())]
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to handle, and the whole group can be ended at once
            env={**PATIENT, **os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.child.stdout is not None
        assert self.child.stderr is not None
        self.readers = [
            threading.Thread(target=self.read_events, args=(self.child.stdout,), daemon=True),
            threading.Thread(target=self.read_output, args=(self.child.stderr,), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def read_events(self, stream: IO[bytes]) -> None:
        """Decodes the child's lines; ends with ``None``."""
        for line in stream:
            try:
                self.queue.put(decoder.decode(line))
            except msgspec.DecodeError as error:
                self.queue.put(FaultEvent(stage="stream", traceback=f"an event could not be read: {error}"))
        self.queue.put(None)

    def read_output(self, stream: IO[bytes]) -> None:
        """Takes what the user's code prints."""
        for line in stream:
            text = line.decode("utf-8", "replace").rstrip("\n")
            self.tail.append(text)
            self.queue.put(text)

    def collect(self) -> Collector:
        """Everything that the child finds out, until it is done, dies, or has had its time or memory.

        Raises:
            UsageError: the child could not use the target, an input or an option.
        """
        previous = ask_for_interrupt()
        try:
            self.follow()
        except KeyboardInterrupt:
            self.collector.close("killed", "interrupted")
            self.listener.output("interrupted; the report is made of what was gathered")
        finally:
            self.end()
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)
        if self.collector.usage is not None:
            raise UsageError(self.collector.usage)
        return self.collector

    def follow(self) -> None:
        """Feeds the collector until something ends the child."""
        looked = 0.0
        while True:
            try:
                item = self.queue.get(timeout=POLL)
            except queue.Empty:
                item = ""
            if item is None:
                self.explain_death()
                return
            if isinstance(item, str):
                if item:
                    self.listener.output(item)
            else:
                self.collector(item)
                self.listener.event(item)
                if isinstance(item, DoneEvent | UsageEvent):
                    return
            now = time.monotonic()
            if now - self.start > self.timeout:
                self.collector.close("timeout", f"no end within {self.timeout:g} s (--timeout)")
                return
            if now - looked > POLL and self.memory_limit is not None:
                looked = now
                used = self.memory()
                if used > self.memory_limit:
                    reason = (
                        f"used {used / 1e9:.1f} GB of memory, over the limit of {self.memory_limit / 1e9:.1f} GB (--memory-limit)"
                    )
                    self.collector.close("killed", reason)
                    return

    def memory(self) -> int:
        """Bytes resident of the child and its descendants."""
        used = 0
        try:
            process = psutil.Process(self.child.pid)
            for each in [process, *process.children(recursive=True)]:
                used += each.memory_info().rss
        except psutil.Error:
            pass
        return used

    def explain_death(self) -> None:
        """The stream ended without a last word: says why, as far as the system tells."""
        code = self.child.wait()
        self.readers[1].join(1)
        if code < 0:
            name = signal.Signals(-code).name
            reason = f"the process {SIGNALS.get(name, 'was ended')} ({name})"
        else:
            reason = f"the process ended itself with status {code} (os._exit, or a C library that gave up)"
        last = next(
            (line.strip() for line in reversed(self.tail) if line.strip() and not line.startswith(("  File", "Fatal"))), ""
        )
        if code > 0 and last:
            reason += f"; its last words: {last[:200]}"
        self.collector.close("killed", reason)

    def end(self) -> None:
        """No process of the inspection is left: the child, its group, and descendants that left the group."""
        try:
            family = psutil.Process(self.child.pid).children(recursive=True)
        except psutil.Error:
            family = []
        if self.collector.done:  # it says goodbye by itself; let it flush what the user printed
            try:
                self.child.wait(1)
            except subprocess.TimeoutExpired:
                pass
        if hasattr(os, "killpg"):
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        else:
            self.child.kill()
        for process in family:
            try:
                process.kill()
            except psutil.Error:
                pass
        self.child.wait()


def ask_for_interrupt() -> Any:
    """Lets a request to end (SIGTERM) be met as Ctrl-C is; gives the handler before, or None outside the main thread."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, interrupt)


def default_memory_limit() -> int:
    """Bytes: what is free now less a twentieth of the machine's memory, so that the machine itself lives on."""
    memory = psutil.virtual_memory()
    return max(memory.available - memory.total // 20, memory.total // 10)
