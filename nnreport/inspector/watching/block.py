"""The watch over a block of code in a process that is there already: models and optimizers made before it are adopted."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.events import AnyEvent
from nnreport.inspector.watching.optimizers import OptimizerWatch
from nnreport.inspector.watching.session import ScriptSession
from nnreport.job import ScriptJob


class BlockSession(ScriptSession):
    """What happens under ``with nnreport.watch(…)``.

    Args:
        job: what is asked for; ``script`` is the file that the block stands in.
        emit: takes each event.
        things: the models and optimizers to look at; empty: whatever trains in the block.
        frame: of the block, to tell what things are called there.

    Raises:
        UsageError: one of ``things`` is neither.
    """

    alone = True

    def __init__(self, job: ScriptJob, emit: Callable[[AnyEvent], None], things: Iterable[Any], frame: FrameType | None) -> None:
        super().__init__(job, emit)
        self.given = told_apart(things)
        self.unsure: list[OptimizerWatch] = []
        """Adopted though nobody asked; forgotten at the end if the block did nothing with them."""
        self.torch_arrived()
        self.adopt(frame)

    def adopt(self, frame: FrameType | None) -> None:
        """Follows what is there already. Where it was made is not known."""
        models, optimizers = self.given
        watcher = self.watcher
        assert watcher is not None
        with watcher.own:
            for model in models:
                found = watcher.model_found(model, frame)
                if found is not None:
                    found.asked = True
            mine = {id(p) for model in models for p in model.parameters()}
            for optimizer in [*optimizers, *optimizers_alive()]:
                given = any(optimizer is each for each in optimizers)
                held = {id(p) for group in optimizer.param_groups for p in group["params"]}
                if watcher.watch_of(optimizer) is not None or not (given or (mine & held) or not any(self.given)):
                    continue
                watch = watcher.optimizer_made(optimizer, frame)
                watch.location = None
                if not given:
                    self.unsure.append(watch)

    def step_made(self, step: int, loss: float | None) -> None:
        """Nobody looks on."""

    def finish(self) -> None:
        """Optimizers of other cells of a notebook, and their models, are none of this block's."""
        watcher = self.watcher
        if watcher is not None and not self.finished:
            idle = [watch for watch in self.unsure if not watch.steps and not watch.backwards]
            for watch in idle:
                watch.release()
            watcher.optimizers = [watch for watch in watcher.optimizers if not any(watch is each for each in idle)]
            for model in [m for m in watcher.models if not (m.asked or m.watch.train_forwards or m.evaluations.phases)]:
                owner = model.primary() if model.primary is not None else None
                if owner is None or any(owner is each for each in idle):
                    model.watch.release()
                    watcher.models.remove(model)
        super().finish()


def told_apart(things: Iterable[Any]) -> tuple[list[nn.Module], list[torch.optim.Optimizer]]:
    """(models, optimizers) of what was given; lists of them are taken apart.

    Raises:
        UsageError: it is neither.
    """
    models: list[nn.Module] = []
    optimizers: list[torch.optim.Optimizer] = []
    for thing in things:
        if isinstance(thing, (list, tuple)):
            more = told_apart(thing)
            models += more[0]
            optimizers += more[1]
        elif isinstance(thing, nn.Module):
            models.append(thing)
        elif isinstance(thing, torch.optim.Optimizer):
            optimizers.append(thing)
        elif isinstance(getattr(thing, "optimizer", None), torch.optim.Optimizer):  # Accelerate's and Lightning's wrappers
            optimizers.append(thing.optimizer)
        else:
            raise UsageError(f"watch() takes models and optimizers of torch, not a {type(thing).__name__}")
    return models, optimizers


def optimizers_alive() -> list[torch.optim.Optimizer]:
    """Every optimizer in memory that has been made to its end."""
    known: dict[type, bool] = {}
    found = []
    for thing in gc.get_objects():
        cls = type(thing)
        wanted = known.get(cls)
        if wanted is None:
            wanted = known[cls] = issubclass(cls, torch.optim.Optimizer)
        if wanted and isinstance(thing.__dict__.get("param_groups"), list):
            found.append(thing)
    return found
