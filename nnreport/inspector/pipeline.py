"""The stages of an inspection in their order: each sends its facts the moment they are there, and may fail alone."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from nnreport.errors import UsageError
from nnreport.events import (
    AnyEvent,
    DoneEvent,
    FactEvent,
    FailureEvent,
    FaultEvent,
    NoteEvent,
    StageEvent,
    StepEvent,
    UsageEvent,
)
from nnreport.facts import Environment, Failure, Graph, Number, Probe, Stage, Tree
from nnreport.job import Job

if TYPE_CHECKING:
    from torch import nn

    from nnreport.inspector.feeding.data import Data
    from nnreport.inspector.feeding.inputs import Sample
    from nnreport.inspector.loading.load import Loaded
    from nnreport.inspector.training.task import Task

Emit = Callable[[AnyEvent], None]

EXPERIMENT_SHARE = 1.2
"""Default budget of the experiments over the probe's own seconds, so that a whole report of a ResNet-18-sized model stays
within about three times its bare steps."""
LEAST_BUDGET = 2.0
"""Seconds that the experiments may take however fast the probe was."""


class StageFailed(Exception):
    """A stage ends without its facts, for a reason that the reader is told (no fault of ours)."""


class StageSkipped(Exception):
    """A stage has nothing to do, for a reason that the reader is told."""


class Pipeline:
    """One inspection.

    Args:
        job: what is asked for.
        emit: takes each event; the front's end of it may be a pipe or a list.
        loaded: the model, where it is there already (a notebook); else ``job.target`` is loaded.
        sample: the inputs, likewise.
        data: batches, likewise (an object where ``job.data`` would name one).
        loss: a function, where ``job.loss`` would name one.
        optimizer: a function of the parameters, where ``job.optimizer`` would name one.
    """

    def __init__(
        self,
        job: Job,
        emit: Emit,
        loaded: Loaded | None = None,
        sample: Sample | None = None,
        data: Any = None,
        loss: Callable[..., Any] | None = None,
        optimizer: Callable[..., Any] | None = None,
    ) -> None:
        self.job = job
        self.emit = emit
        self.loaded = loaded
        self.owned = loaded is None
        self.sample = sample
        self.given_data = data
        self.given_loss = loss
        self.given_optimizer = optimizer
        self.data: Data | None = None
        self.task: Task | None = None
        self.tree: Tree | None = None
        self.graph: Graph | None = None
        self.probe: Probe | None = None
        self.hints: dict[str, Any] = {}
        self.device = "cpu"
        self.environment = Environment()
        self.forward_fails = ""

    def run(self) -> None:
        """All stages. Ends with a :class:`DoneEvent`, or a :class:`UsageEvent` where the target cannot be used at all."""
        try:
            with self.stage("environment"):
                self.read_environment()
            with self.stage("load"):
                self.load()
            if self.loaded is not None and self.loaded.state is not None:
                with self.stage("weights"):
                    self.read_state()
            else:
                self.inspect_model()
        except UsageError as error:
            self.emit(UsageEvent(message=str(error)))
            return
        self.emit(DoneEvent())

    def inspect_model(self) -> None:
        """The stages of a module that was built (or whose constructor failed: then its source is all there is)."""
        with self.stage("source"):
            self.read_source()
        if self.loaded is None or self.loaded.model is None:
            return
        with self.stage("tree"):
            self.read_tree()
        with self.stage("inputs"):
            self.find_inputs()
        with self.stage("trace"):
            self.trace()
        with self.stage("weights"):
            self.read_weights()
        with self.stage("pictures"):
            self.take_pictures()
        with self.stage("probe"):
            self.run_probe()
        with self.stage("experiments"):
            self.run_experiments()
        with self.stage("profile"):
            self.run_profile()
        self.send_tree()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Runs one stage, says when it begins and how it ends; only :class:`UsageError` and an interrupt pass through."""
        self.emit(StageEvent(stage=Stage(name=name, state="running")))
        start = perf_counter()
        state, error = "ok", ""
        try:
            yield
        except StageSkipped as reason:
            state, error = "skipped", str(reason)
        except StageFailed as reason:
            state, error = "failed", str(reason)
        except UsageError:
            raise
        except SystemExit as stop:
            state, error = "failed", f"the model's own code called sys.exit({'' if stop.code is None else stop.code!r})"
        except MemoryError:
            state, error = "failed", "out of memory"
        except Exception as fault:
            state, error = "failed", f"{type(fault).__name__}: {first_line(fault)}"
            self.emit(FaultEvent(stage=name, traceback=traceback.format_exc()))
        finally:
            self.emit(
                StageEvent(stage=Stage(name=name, state=state, seconds=perf_counter() - start, error=error))  # type: ignore[arg-type]
            )

    def fail(self, failure: Failure) -> None:
        """Sends a failure of the user's own code."""
        self.emit(FailureEvent(failure=failure))

    # ------------------------------------------------------------------------------------------------------- the stages

    def read_environment(self) -> None:
        from nnreport.inspector.device import choose_device
        from nnreport.inspector.environment import read_environment

        choice = choose_device(self.job.device)
        self.device = choice.device
        self.environment = read_environment(self.job, choice)
        self.emit(FactEvent(environment=self.environment))

    def load(self) -> None:
        from nnreport.inspector.environment import loaded_packages
        from nnreport.inspector.loading.load import load_target

        if self.loaded is None:
            self.loaded = load_target(self.job.target, self.job.seed)
        self.environment.packages = loaded_packages()  # what the user's file imports, too
        self.emit(FactEvent(environment=self.environment))
        loaded = self.loaded
        if loaded.model is not None and self.job.weights:
            from nnreport.inspector.loading.checkpoint import load_checkpoint

            load_checkpoint(loaded, self.job.weights)
        for note in loaded.notes:
            self.emit(NoteEvent(text=note))
        self.emit(FactEvent(target=loaded.target))
        if loaded.failure is not None:
            self.fail(loaded.failure)
            raise StageFailed(f"the constructor failed: {loaded.failure.exception}: {first_line(loaded.failure.message)}")
        if loaded.model is not None and self.device != "cpu":
            if not self.owned:  # a notebook's model stays where it is
                from nnreport.inspector.clone import clone

                loaded.model = clone(loaded.model)
            loaded.model.to(self.device)

    def read_state(self) -> None:
        from nnreport.inspector.weighing.statedict import weights_of_state

        assert self.loaded is not None
        assert self.loaded.state is not None
        tree, weights = weights_of_state(self.loaded.state)
        self.emit(FactEvent(tree=tree, weights=weights))

    def read_source(self) -> None:
        from nnreport.inspector.reading.source import read_source
        from nnreport.inspector.reading.source_hints import source_hints

        assert self.loaded is not None
        files = read_source(self.loaded, self.loaded.model)
        self.hints = source_hints(files)
        if not files:
            raise StageSkipped("no source file of the user's defines this model")
        self.emit(FactEvent(source=files))

    def read_tree(self) -> None:
        from nnreport.inspector.tracing.tree import read_tree

        self.tree = read_tree(self.model)
        self.send_tree()

    def send_tree(self) -> None:
        """The tree is sent again when later stages have added to it."""
        if self.tree is not None:
            self.emit(FactEvent(tree=self.tree))

    def find_inputs(self) -> None:
        from nnreport.inspector.feeding.data import load_data
        from nnreport.inspector.feeding.inputs import find_sample, sample_from_specs
        from nnreport.inspector.tracebacks import UserFailure

        loaded, job = self.loaded, self.job
        assert loaded is not None
        if self.given_data is not None or job.data:
            self.data = load_data(self.given_data if self.given_data is not None else job.data, loaded, job.seed)
            failure = getattr(self.data, "failure", None)
            if failure is not None:
                self.fail(failure)
                self.data = None
                if not (self.sample or job.inputs):
                    raise StageFailed(f"the data failed: {failure.exception}: {first_line(failure.message)}")
        if self.sample is None:
            try:
                if job.inputs:
                    self.sample = sample_from_specs(job.inputs, self.model, job.seed)
                else:
                    self.sample = find_sample(loaded, self.data, job.seed)
            except UserFailure as error:  # example_inputs() raised: the report holds what needs no input
                self.fail(error.failure)
                raise StageFailed(str(error)) from error
        self.sample = self.sample.to(self.device)
        loaded.target.inputs = self.sample.specs
        self.emit(FactEvent(target=loaded.target))

    def trace(self) -> None:
        from nnreport.inspector.tracing.trace import trace

        sample = self.needed_sample()
        assert self.tree is not None
        self.make_lazy(sample)
        traced = trace(self.model, sample, self.tree, self.job.seed)
        self.graph = traced.graph
        for note in traced.notes:
            self.emit(NoteEvent(text=note))
        for failure in traced.failures:
            self.fail(failure)
        self.emit(FactEvent(graph=traced.graph, reach=traced.reach))
        self.send_tree()
        for failure in traced.failures:
            if failure.phase == "forward":
                where = f" in {failure.module}" if failure.module else ""
                self.forward_fails = f"the forward pass fails{where}"
                raise StageFailed(f"{self.forward_fails}: {failure.exception}: {first_line(failure.message)}")

    def make_lazy(self, sample: Sample) -> None:
        """From here on a lazy model is a copy of it that has seen its first forward; where that fails, the trace says so."""
        from nnreport.inspector.loading.lazy import made
        from nnreport.inspector.tracing.called import refresh_tree

        assert self.loaded is not None
        model = made(self.model, sample, self.job.seed)
        if model is not self.model:
            self.loaded.model = model
            if self.tree is not None:
                refresh_tree(self.tree, model)

    def read_weights(self) -> None:
        from nnreport.inspector.weighing.weights import read_weights

        weights = read_weights(self.model)
        weights.fresh = weights.fresh and not self.job.weights
        self.emit(FactEvent(weights=weights))

    def take_pictures(self) -> None:
        """What goes in and what comes out. Whatever fails here is a note: no verdict hangs on it."""
        if not self.job.pictures:
            raise StageSkipped("--no-pictures")
        from nnreport.inspector.picturing.pictures import take_pictures

        sample, target = self.needed_sample(), None
        if self.data is not None:
            from nnreport.inspector.feeding.inputs import Sample

            first = self.data.first
            sample, target = Sample(first.args, first.kwargs, self.data.info.inputs).to(self.device), first.target
        pictures, notes = take_pictures(
            self.model,
            sample,
            target=target,
            user=self.data is not None,
            graph=self.graph,
            tree=self.tree,
            seed=self.job.seed,
            run=not self.forward_fails,
        )
        for note in notes:
            self.emit(NoteEvent(text=note))
        self.emit(FactEvent(pictures=pictures))

    @property
    def model(self) -> nn.Module:
        """The loaded model; the stages that need it run only when there is one."""
        assert self.loaded is not None
        assert self.loaded.model is not None
        return self.loaded.model

    def needed_sample(self) -> Sample:
        if self.sample is None:
            raise StageSkipped("there is no input to run the model on")
        return self.sample

    def needs_training(self) -> None:
        """Raises :class:`StageSkipped` where the model is not to be trained, or cannot be."""
        if not self.job.probe:
            raise StageSkipped("--no-probe")
        if self.forward_fails:
            raise StageSkipped(self.forward_fails)

    def prepare_task(self) -> Task:
        """The data, loss and optimizer of a training step."""
        from nnreport.inspector.feeding.data import synthetic_data
        from nnreport.inspector.training.task import make_task

        loaded, sample = self.loaded, self.needed_sample()
        assert loaded is not None
        if self.data is None:
            self.data = synthetic_data(sample, self.model, self.job.seed)
        given = {"loss": self.given_loss, "optimizer": self.given_optimizer}
        return make_task(self.model, self.data, self.job, loaded, self.device, self.hints, **given)

    def run_probe(self) -> None:
        self.needs_training()
        from nnreport.inspector.training.probe import run_probe

        self.task = self.prepare_task()

        def on_step(step: int, steps: int, loss: Number) -> None:
            self.emit(StepEvent(step=step, steps=steps, loss=loss))

        self.probe = run_probe(self.model, self.task, self.job.steps, self.graph, on_step)
        for failure in self.task.failures:
            self.fail(failure)
        self.emit(FactEvent(probe=self.probe))
        if self.probe.reason and not self.probe.done:
            raise StageFailed(self.probe.reason) if self.task.failures else StageSkipped(self.probe.reason)

    def run_experiments(self) -> None:
        sample = self.needed_sample()
        self.needs_training()
        from nnreport.inspector.experiments import run_experiments
        from nnreport.inspector.trials.lab import undisturbed

        spent = len(self.probe.seconds) * undisturbed(self.probe.seconds) if self.probe else 0.0
        budget = self.job.budget if self.job.budget is not None else max(LEAST_BUDGET, EXPERIMENT_SHARE * spent)
        found = run_experiments(self.model, sample, self.task, self.probe, self.graph, budget)
        self.emit(FactEvent(experiments=found))

    def run_profile(self) -> None:
        self.needs_training()
        if self.task is None or self.probe is None or not self.probe.done:
            raise StageSkipped("the probe made no step")
        from nnreport.inspector.profiling.profile import run_profile

        self.emit(FactEvent(profile=run_profile(self.model, self.task, self.graph, self.tree)))


def first_line(text: object) -> str:
    """The first line of a message, for a line of ours."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")
