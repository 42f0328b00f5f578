"""After the watch: the stages of an inspection on the model as the script left it, with the script's own data and loss."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.events import AnyEvent, DoneEvent, FactEvent, NoteEvent
from nnreport.facts import ModelRun, Run
from nnreport.inspector.feeding.data import UserData
from nnreport.inspector.feeding.inputs import Sample, sample_of
from nnreport.inspector.live import loaded_from_module
from nnreport.inspector.pipeline import Pipeline, StageSkipped, first_line
from nnreport.inspector.preserve import preserved
from nnreport.inspector.training.outputs import prediction
from nnreport.inspector.watching.capture import Capture
from nnreport.inspector.watching.gather import data_info, gather_probe, main_index
from nnreport.inspector.watching.watcher import INSTALLED, Watcher
from nnreport.job import Job, ScriptJob

WHOLE = 0.5
"""A called part that holds this share of a model's parameters stands for it, where the model itself is never called."""


def look_at_model(watcher: Watcher, run: Run, job: ScriptJob, emit: Callable[[AnyEvent], None]) -> None:
    """Runs the stages; what the script was doing is left as it was."""
    found = subject(watcher)
    device = str(next(found[0].parameters()).device) if found is not None else "cpu"
    asked = Job(
        target=job.script,
        seed=job.seed,
        device=device,
        budget=job.budget,
        probe=job.probe,
        command=job.command,
        steps=job.steps or 30,
        pictures=job.pictures,
    )
    with torch.enable_grad(), preserved(job.seed, device), no_autocast(), unwatched():
        if found is None:
            pipeline = WatchedPipeline(asked, watcher, None, "", emit)
        else:
            pipeline = WatchedPipeline(asked, watcher, *found, emit)
        pipeline.run()
    trained = [m for i, m in enumerate(run.models) if m.held or i == run.main]
    if len(trained) > 1:
        emit(NoteEvent(text=f"The script trains {len(trained)} models; this report draws {drawn(run, trained)}."))


def drawn(run: Run, trained: list[ModelRun]) -> str:
    """Which of several models, in words: ``G (Generator), not D (Judge)``; ``number 2 of m (Net)`` where all go by one name."""
    names = [f"{m.variable} ({m.name})" if m.variable and m.variable != m.name else m.name for m in trained]
    place = next(i for i, m in enumerate(trained) if m is run.models[run.main])
    others = [name for name in dict.fromkeys(names) if name != names[place]]
    which = (
        f"number {names[: place + 1].count(names[place])} of {names[place]}" if names.count(names[place]) > 1 else names[place]
    )
    return f"{which}, not {', '.join(others)}" if others else which


@contextlib.contextmanager
def no_autocast() -> Iterator[None]:
    """A watch that ends inside an autocast block leaves it for the look at the model."""
    before = [(kind, torch.is_autocast_enabled(kind)) for kind in ("cpu", "cuda")]
    for kind, _ in before:
        torch.set_autocast_enabled(kind, False)
    try:
        yield
    finally:
        for kind, enabled in before:
            torch.set_autocast_enabled(kind, enabled)


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """A watch around this one does not see the look at the model."""
    others = [each for each in INSTALLED if not each.paused]
    for each in others:
        each.paused = True
    try:
        yield
    finally:
        for each in others:
            each.paused = False


def subject(watcher: Watcher) -> tuple[nn.Module, str] | None:
    """(the module that the report is about, its path in the watched model): the model itself, or the one part through which the
    script calls it (a Lightning module's ``self.net``)."""
    if not watcher.models:
        return None
    model = watcher.models[main_index(watcher)]
    root = model.watch.root()
    if root is None:
        return None
    entries = list(dict.fromkeys(model.watch.entries.values()))
    if not entries or "" in entries or not all(model.watch.names.get(key) is not None for key in model.watch.entries):
        return root, ""
    if len(entries) == 1:
        part = root.get_submodule(entries[0])
        if sum(p.numel() for p in part.parameters()) >= WHOLE * max(sum(p.numel() for p in root.parameters()), 1):
            return part, entries[0] + "."
    return root, ""


class NotAlone(ValueError):
    """The loss that was seen cannot be computed from the model's output."""


class WatchedPipeline(Pipeline):
    """The stages of an inspection; the probe is the run that was watched.

    Args:
        job: for the stages.
        watcher: what was seen.
        model: None where the script trains no module.
        prefix: of the model's names in the watched one.
        emit: takes each event, but the end, which is the session's.
    """

    def __init__(
        self, job: Job, watcher: Watcher, model: nn.Module | None, prefix: str, emit: Callable[[AnyEvent], None]
    ) -> None:
        super().__init__(
            job,
            lambda event: None if isinstance(event, DoneEvent) else emit(event),
            loaded_from_module(model) if model is not None else None,
        )
        self.watcher, self.prefix = watcher, prefix
        if self.loaded is not None:
            self.loaded.target.spec = Path(job.target).name
            if prefix:  # the part that is called goes by the name of the whole
                self.loaded.target.name = watcher.models[main_index(watcher)].watch.cls.__name__
        capture = watcher.capture
        fits = capture.entry is None or model is None or capture.entry is model or is_wrapper_of(capture.entry, model)
        if model is not None and capture.batches and fits:
            first = capture.batches[0]
            self.sample = sample_of(model, first.args, first.kwargs, "first batch of the script")
            self.given_data = capture.batches
            self.given_loss = reconstructed(capture)
            self.given_optimizer = same_optimizer(watcher)

    def run(self) -> None:
        """All stages that the script's model allows."""
        try:
            with self.stage("environment"):
                self.read_environment()
            if self.loaded is not None:
                with self.stage("load"):
                    self.load()
                self.inspect_model()
        except UsageError as error:
            self.emit(NoteEvent(text=f"The model could not be looked at: {error}"))

    def read_weights(self) -> None:
        """They are what training left: nothing is known of how they were drawn."""
        from nnreport.inspector.weighing.weights import read_weights

        weights = read_weights(self.model)
        weights.fresh = weights.fresh and not self.watcher.steps
        self.emit(FactEvent(weights=weights))

    def needed_sample(self) -> Sample:
        if not self.job.probe:
            raise StageSkipped("the model is not to be run again")
        return super().needed_sample()

    def find_inputs(self) -> None:
        if self.sample is None and not self.watcher.steps:
            raise StageSkipped("the script does not train, so no batch of it was kept")
        if self.sample is None:
            raise StageSkipped("the script calls its model in parts, so there is no one input to run it on")
        batches = self.watcher.capture.batches
        self.data = UserData(lambda: iter(batches), lambda batch: batch, self.job.seed)
        self.data.batches(len(batches), 1.0)
        self.data.info = data_info(self.watcher)
        assert self.loaded is not None
        self.loaded.target.inputs = self.sample.specs
        self.emit(FactEvent(target=self.loaded.target))

    def run_probe(self) -> None:
        """The watched run takes the probe's place; a task is made where the loss is known well enough to run it again."""
        self.probe = gather_probe(self.watcher, self.prefix)
        if self.probe is None:
            raise StageSkipped("no optimizer step was seen")
        self.locate_output()
        self.emit(FactEvent(probe=self.probe))
        if self.sample is not None and self.job.probe and not self.forward_fails and (self.given_loss or self.carries_loss()):
            self.task = self.prepare_task()

    def run_profile(self) -> None:
        self.needed_sample()
        self.needs_training()
        if self.probe is not None and self.probe.done and self.task is None:
            raise StageSkipped("the script computes its loss in a way that cannot be run again")
        try:
            super().run_profile()
        except NotAlone as error:  # the model has changed since
            raise StageSkipped(str(error)) from None
        except (RuntimeError, ValueError, TypeError) as error:  # it takes more than this model, loss and optimizer
            raise StageSkipped(f"a step of the script's could not be made again: {first_line(error)}") from None

    def carries_loss(self) -> bool:
        loss = self.watcher.capture.loss
        return loss is not None and loss.source == "model"

    def locate_output(self) -> None:
        """Which module the loss's prediction comes from, by the recorded graph."""
        output = self.probe.output if self.probe is not None else None
        if output is None or self.graph is None or output.module:
            return
        ends = [node for node in self.graph.nodes if node.kind == "output"]
        nodes = {node.id: node for node in self.graph.nodes}
        if len(ends) == 1 and len(ends[0].inputs) == 1 and ends[0].inputs[0] in nodes:
            last = nodes[ends[0].inputs[0]]
            output.module, output.node = last.module, last.id


def is_wrapper_of(module: Any, model: nn.Module) -> bool:
    """``module`` is DistributedDataParallel, a compiled module or the like around ``model``."""
    from nnreport.inspector.watching.discovery import unwrapped

    return unwrapped(module)[0] is model


def same_optimizer(watcher: Watcher) -> Callable[[Any], torch.optim.Optimizer] | None:
    """Makes an optimizer of the class and settings of the main model's own; None where that is not one of torch's."""
    model = watcher.models[main_index(watcher)]
    owner = model.primary() if model.primary is not None else None
    optimizer = owner.optimizer() if owner is not None else None
    cls = next((c for c in type(optimizer).__mro__ if c.__module__.startswith("torch.optim.")), None)
    if optimizer is None or cls is None or cls is torch.optim.Optimizer:
        return None
    known = inspect.signature(cls).parameters
    settings = {name: value for name, value in optimizer.defaults.items() if name in known}

    def make(parameters: Any) -> torch.optim.Optimizer:
        return cls(parameters, **settings)

    make.__name__ = cls.__name__
    return make


def reconstructed(capture: Capture) -> Callable[[Any, Any], Any] | None:
    """``loss(output, target)`` as the script computes it, where that is one loss of torch's on the model's own output."""
    loss = capture.loss
    if loss is None or len(loss.functional) != 1 or loss.source == "model" or not capture.direct:
        return None
    name, arguments = loss.functional[0], dict(capture.arguments)
    rest = arguments.pop("*", ())
    function: Any = getattr(torch.nn.functional, name)
    shape = capture.output_info.tensor.shape if capture.output_info and capture.output_info.tensor else None

    def objective(output: Any, target: Any) -> Any:
        found = prediction(output)
        if found is None or (shape is not None and list(found[1].shape[1:]) != shape[1:]):
            raise NotAlone("the script's loss was not computed on the model's output alone, as it is now")
        return function(found[1], target, *rest, **arguments)

    objective.__name__ = name
    return objective
