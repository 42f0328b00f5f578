"""``nnreport debug TARGET``: a copy of the model is trained in this very process, and whatever stops it opens the debugger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nnreport.breakspec import BreakSpec
from nnreport.errors import UsageError
from nnreport.events import AnyEvent
from nnreport.facts import Facts
from nnreport.inspector.breaking.breakpoints import Breakpoints
from nnreport.inspector.breaking.known import Judge, Known
from nnreport.inspector.breaking.loop import train
from nnreport.inspector.breaking.quit import DebuggerQuit
from nnreport.inspector.pipeline import Pipeline, StageSkipped
from nnreport.inspector.seeding import seeded
from nnreport.inspector.watching.watcher import Watcher
from nnreport.job import Job

FAULTY = frozenset(("nan", "explode", "dead", "error"))
"""Conditions that are faults in themselves."""


class DebugPipeline(Pipeline):
    """Loads the model and makes its task as an inspection does, trains under breakpoints, then, if a report is wanted, inspects.

    Args:
        job: what is asked for.
        specs: the breakpoints; ``error`` among them opens exceptions post mortem.
        emit: takes each event.
        facts: which ``emit`` fills: what a check is asked about.
        judge: asks a check.
        report: go on with an inspection afterwards.

    Attributes:
        breakpoints: once they are set.
        steps: that were made.
        losses: of them.
        failed: why there were no more; empty if nothing failed.
        quit: the user left the debugger with ``q``.
    """

    def __init__(
        self,
        job: Job,
        specs: list[BreakSpec],
        emit: Callable[[AnyEvent], None],
        facts: Facts,
        judge: Judge | None = None,
        report: bool = False,
    ) -> None:
        super().__init__(job, emit)
        self.specs, self.facts, self.judge, self.report = specs, facts, judge, report
        self.breakpoints: Breakpoints | None = None
        self.watcher = Watcher()
        self.steps = 0
        self.quit = False
        self.failed = ""
        self.losses: list[float] = []

    def inspect_model(self) -> None:
        with self.stage("source"):
            self.read_source()
        if self.loaded is None or self.loaded.model is None:
            self.failed = "the model cannot be built"
            return
        with self.stage("tree"):
            self.read_tree()
        self.paths_exist()
        with self.stage("inputs"):
            self.find_inputs()
        if any(spec.kind == "finding" for spec in self.specs):
            with self.stage("trace"):
                self.trace()
            with self.stage("weights"):
                self.read_weights()
        with self.stage("debug"):
            self.debug()
        if self.report:
            self.inspect_the_rest()

    def inspect_the_rest(self) -> None:
        """The stages of a report, as without a debugger."""
        if self.graph is None and not self.forward_fails:
            with self.stage("trace"):
                self.trace()
            with self.stage("weights"):
                self.read_weights()
        stages: list[tuple[str, Callable[[], None]]] = [
            ("pictures", self.take_pictures),
            ("probe", self.run_probe),
            ("experiments", self.run_experiments),
            ("profile", self.run_profile),
        ]
        for name, run in stages:
            with self.stage(name):
                run()
        self.send_tree()

    def paths_exist(self) -> None:
        """The model is known before anything runs, so a path that is in it nowhere is wrong usage.

        Raises:
            UsageError: naming the nearest there is.
        """
        paths = [name for name, _ in self.model.named_modules()]
        for spec in self.specs:
            if spec.kind in ("forward", "backward") and (said := spec.unmatched(paths)):
                raise UsageError(said)

    def debug(self) -> None:
        """Trains a copy until something happens that nobody goes on from."""
        from nnreport.inspector.clone import clone

        if self.sample is None:
            self.failed = "there is no input to run the model on; give one with --input, as in --input 1,784"
            raise StageSkipped("there is no input to run the model on")
        device = torch.device(self.device)
        with seeded(self.job.seed, device), torch.enable_grad():
            task = self.prepare_task()
            if task.reason and not task.failures:
                self.failed = task.reason
                raise StageSkipped(task.reason)
            model = clone(self.model).to(device)
            model.train(task.mode == "train")
            self.watcher.install()
            self.breakpoints = Breakpoints(
                self.specs, self.watcher, self.emit, self.judge, self.job.seed, tables=not self.report
            ).install()
            self.breakpoints.known = Known(self.watcher, self.job.seed, self.facts)
            try:
                train(model, task, self.job.steps)
            except DebuggerQuit:
                self.quit = True
            except Exception as error:  # the user's
                first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
                self.failed = f"{type(error).__name__}: {first}"
                self.post_mortem(error)
            finally:
                self.steps = self.watcher.steps
                self.losses = list(self.watcher.leader.losses.values) if self.watcher.leader is not None else []
                self.breakpoints.release()
                self.watcher.release()

    def post_mortem(self, error: Exception) -> None:
        from nnreport.inspector.blame import training_failure

        assert self.breakpoints is not None
        functions = set()
        trace = error.__traceback__
        while trace is not None:
            functions.add(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        phase: Any = "backward" if functions & {"_engine_run_backward"} else "loss" if "objective" in functions else "forward"
        self.fail(training_failure(error, phase, self.model))
        try:
            self.breakpoints.failed(error)
        except DebuggerQuit:
            self.quit = True

    @property
    def faulty(self) -> bool:
        """Something is wrong with the model, or with its code."""
        return bool(self.failed) or any(hit.kind in FAULTY for hit in self.facts.breaks)
