"""One watched script, from the import of torch to the last fact. Imports torch only when the script does."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnreport.events import AnyEvent, FactEvent, FailureEvent, FaultEvent, NoteEvent, StageEvent, StepEvent
from nnreport.facts import Failure, Run, Stage, number
from nnreport.job import ScriptJob

if TYPE_CHECKING:
    from nnreport.inspector.breaking.breakpoints import Breakpoints
    from nnreport.inspector.watching.watcher import Watcher

STEP_EVENTS = 0.1
"""Seconds between two steps that are told of."""
SHARE = 0.01
"""Of the time, at most, goes into sending the state of the run on."""
EARLY = 0.1
"""Of the time, that a state may be old: a script that is killed after seconds has told of most of them."""


class WatchEnded(SystemExit):
    """``--stop``: the script ends after the last watched step, with status 0."""


class ScriptSession:
    """What happens in the child of ``nnreport run``.

    Args:
        job: what is asked for.
        emit: takes each event.
        judge: asks a check, for a breakpoint.
    """

    alone = False
    """The report is made in this process, whichever it is of a distributed run."""

    def __init__(
        self, job: ScriptJob, emit: Callable[[AnyEvent], None], judge: Callable[[str, Any], tuple[Any, str]] | None = None
    ) -> None:
        self.job, self.emit, self.judge = job, emit, judge
        self.watcher: Watcher | None = None
        self.breakpoints: Breakpoints | None = None
        self.imported = self.ended = self.finished = self.exiting = False
        self.status: int | None = None
        self.failure: Failure | None = None
        self.told = self.sent = 0.0
        self.cost = 0.0
        self.born = time.perf_counter()

    # ------------------------------------------------------------------------------------------------ while it runs

    def torch_arrived(self) -> None:
        """The script has imported torch: the watch begins. When the script has ended, it is our own doing."""
        if self.ended:
            return
        self.imported = True
        from nnreport.inspector.watching.watcher import Watcher

        self.watcher = Watcher(self.job.steps, self.job.every, on_limit=self.limit_reached, on_step=self.step_made)
        self.watcher.install()
        if self.job.break_on:
            from nnreport.breakspec import parse_breaks
            from nnreport.inspector.breaking.breakpoints import Breakpoints

            specs = parse_breaks(self.job.break_on)
            self.breakpoints = Breakpoints(specs, self.watcher, self.emit, self.judge, self.job.seed).install()

    def step_made(self, step: int, loss: float | None) -> None:
        """Tells of a step now and then, and sends the state of the run."""
        now = time.perf_counter()
        if now - self.told >= STEP_EVENTS:
            self.told = now
            known = "nan" if loss is None else number(loss)
            self.emit(StepEvent(step=step, steps=self.job.steps or 0, loss=known))
        if now - self.sent >= min(self.job.snapshot, EARLY * (now - self.born)) and self.cost <= SHARE * (now - self.born):
            self.snapshot()
            self.sent = time.perf_counter()
            self.cost += self.sent - now

    def snapshot(self) -> None:
        """The run so far, for a live page, and lest a crash should lose it."""
        from nnreport.inspector.watching.gather import gather_probe, gather_run

        assert self.watcher is not None
        try:
            run = gather_run(self.watcher)
            self.describe(run)
            self.emit(FactEvent(run=run, probe=gather_probe(self.watcher)))
        except Exception:
            self.fault("watch")

    def limit_reached(self) -> None:
        """``--steps`` steps were watched."""
        self.finish()
        if self.job.stop:
            raise WatchEnded(0)

    def script_ended(self, error: BaseException | None) -> None:
        """The script returned or raised; an exception of its own becomes a failure with the module and shapes at hand."""
        self.ended = True
        if error is None or isinstance(error, (SystemExit, KeyboardInterrupt)) or self.finished:
            return
        if self.watcher is None:
            self.failure = plain_failure(error)
            return
        from nnreport.inspector.watching.failures import script_failure

        if self.breakpoints is not None:
            with contextlib.suppress(KeyboardInterrupt):  # `q`: the script is over anyway
                self.breakpoints.failed(error)
        try:
            self.failure = script_failure(error, self.watcher)
        except Exception:
            self.fault("watch")

    # ------------------------------------------------------------------------------------------------------ at the end

    def finish(self) -> None:
        """Ends the watch, sends what it saw, and looks at the model. Done once; leaves the script's state as it was."""
        if self.finished:
            return
        self.finished = True
        if self.watcher is None:
            if self.failure is not None:
                self.emit(FailureEvent(failure=self.failure))
            return
        try:
            if self.breakpoints is not None:
                self.breakpoints.release()
            self.watcher.release()
            with quiet():
                self.look()
        except KeyboardInterrupt:
            self.emit(NoteEvent(text="The look at the model was interrupted."))
        except Exception as fault:
            self.emit(StageEvent(stage=Stage(name="watch", state="failed", error=f"{type(fault).__name__}: {fault}")))
            self.fault("watch")
        finally:
            self.watcher.forget()

    def look(self) -> None:
        """The records of the run, then the stages of an inspection on the model as the script left it."""
        from nnreport.inspector.watching.finish import look_at_model
        from nnreport.inspector.watching.gather import gather_run

        assert self.watcher is not None
        run = gather_run(self.watcher)
        self.describe(run)
        if self.failure is not None:
            self.emit(FailureEvent(failure=self.failure))
        for fault in self.watcher.own.faults:
            self.emit(FaultEvent(stage="watch", traceback=fault))
        if not run.steps:
            self.explain(run)
        if run.world > 1:
            from nnreport.inspector.watching.rank import rank_record

            run.ranks = [rank_record(self.watcher, run)]
        self.emit(FactEvent(run=run))
        if self.alone or not run.rank:  # else the first process makes the report
            look_at_model(self.watcher, run, self.job, self.emit)

    def explain(self, run: Run) -> None:
        """No step was made: what was seen instead, and the model that was called, if there is one, for the report."""
        from nnreport.inspector.watching.seen import in_words

        assert self.watcher is not None
        called = self.watcher.called
        if called is None:
            return
        names = [model.watch.cls.__name__ for model in self.watcher.models if model.watch.entries]
        words = in_words(run, names or [name for name, _ in called.models])
        run.seen = [f"The script made no optimizer step: {', '.join(words)}."]
        self.emit(NoteEvent(text=run.seen[0]))
        model = called.largest()
        if model is not None and not self.watcher.models:
            from nnreport.inspector.watching.gather import model_record

            found = self.watcher.model_found(model)
            if found is not None:
                found.watch.release()
                run.models = [model_record(found)]

    def describe(self, run: Run) -> None:
        """What the watch itself does not know of the run."""
        from nnreport.inspector.watching.rank import rank_and_world

        run.rank, run.world = rank_and_world()
        run.script = os.path.basename(self.job.script) if not self.job.module else self.job.script
        run.arguments = self.job.arguments
        run.status = self.status

    def fault(self, stage: str) -> None:
        self.emit(FaultEvent(stage=stage, traceback=traceback.format_exc()))


def plain_failure(error: BaseException) -> Failure:
    """Of a script that failed before it imported torch: what Python alone can tell."""
    from nnreport.inspector.locate import traceback_frames

    frames = traceback_frames(error.__traceback__)
    location = frames[-1].location if frames else None
    return Failure(phase="script", exception=type(error).__name__, message=str(error), frames=frames, location=location)


@contextlib.contextmanager
def quiet() -> Any:
    """What the model prints when we run it is no part of the script's output."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
