"""Learning-rate schedulers under watch: does the optimizer step first?"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from nnreport.facts import Location, SchedulerRun
from nnreport.inspector.blame import user_location
from nnreport.inspector.watching.patching import Patches


class SchedulerWatch:
    """One scheduler."""

    def __init__(self, scheduler: Any, steps: int) -> None:
        self.name = type(scheduler).__name__
        self.optimizer = weakref.ref(scheduler.optimizer)
        self.key = id(scheduler.optimizer)
        self.start = steps
        """Steps of its optimizer when it was first seen."""
        self.steps = self.before = 0
        self.location: Location | None = None

    def stepped(self, optimizer_steps: int) -> None:
        self.steps += 1
        if optimizer_steps == 0:
            self.before += 1


class Schedulers:
    """All schedulers of the script.

    Args:
        active: is the watch on?
        progress: (steps made, or tried under a GradScaler) of an optimizer.
    """

    def __init__(self, active: Callable[[], bool], progress: Callable[[Any], int]) -> None:
        self.active, self.progress = active, progress
        self.watches: list[SchedulerWatch] = []
        self.known: weakref.WeakKeyDictionary[Any, SchedulerWatch] = weakref.WeakKeyDictionary()
        self.depth = 0

    def install(self, patches: Patches) -> None:
        """Wraps ``step`` of every scheduler class of torch that has one of its own."""
        from torch.optim import lr_scheduler

        for cls in vars(lr_scheduler).values():
            if isinstance(cls, type) and "step" in vars(cls):
                patches.wrap(cls, "step", self.wrap_step)

    def wrap_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            initial = getattr(scheduler, "_is_initial", False) or not getattr(scheduler, "_step_count", 1)
            if not self.depth and not initial and self.active():
                self.note(scheduler)
            self.depth += 1
            try:
                return original(scheduler, *args, **kwargs)
            finally:
                self.depth -= 1

        return step

    def note(self, scheduler: Any) -> None:
        optimizer = getattr(scheduler, "optimizer", None)
        if optimizer is None:
            return
        watch = self.known.get(scheduler)
        if watch is None:
            watch = self.known[scheduler] = SchedulerWatch(scheduler, self.progress(optimizer))
            watch.location = user_location(sys._getframe(2))
            self.watches.append(watch)
        watch.stepped(self.progress(optimizer))

    def records(self, index: Callable[[int], int | None]) -> list[SchedulerRun]:
        """What is known; ``index`` gives the place in the report of the optimizer of an id."""
        found = []
        for watch in self.watches:
            place = index(watch.key)
            found.append(
                SchedulerRun(
                    name=watch.name,
                    optimizer=place or 0,
                    steps=watch.steps,
                    before=watch.before,
                    early=watch.before == 1,  # more: it is wound forward to where an earlier run ended
                    location=watch.location,
                )
            )
        return found
