"""What is seen on standard error while the inspector works: the stage, the step, the live loss."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nnreport.events import AnyEvent, FaultEvent, StageEvent, StepEvent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

STAGES = {
    "environment": "starting torch",
    "load": "loading the model",
    "source": "reading the source",
    "tree": "reading the modules",
    "inputs": "finding the inputs",
    "trace": "tracing the forward pass",
    "weights": "reading the weights",
    "pictures": "drawing what goes in and out",
    "probe": "training a copy",
    "experiments": "asking what one run cannot tell",
    "profile": "measuring time and memory",
}
"""Stage -> what is said while it runs, in the order of running."""


class Silent:
    """Shows nothing; what the user's code prints still goes to standard error unless ``quiet``."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def event(self, event: AnyEvent) -> None:
        if isinstance(event, FaultEvent) and not self.quiet:
            print(f"nnreport: a fault in stage {event.stage}: {event.traceback.strip().splitlines()[-1]}", file=sys.stderr)

    def output(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr)


class Live:
    """A live line: spinner, stage, bar of probe steps, loss."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console: Console = Console(stderr=True)
        self.progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("[dim]{task.fields[loss]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.progress.add_task("starting", total=len(STAGES), loss="")

    def __enter__(self) -> Live:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def event(self, event: AnyEvent) -> None:
        if isinstance(event, StageEvent):
            names = list(STAGES)
            done = names.index(event.stage.name) if event.stage.name in names else 0
            if event.stage.state == "running":
                self.progress.update(
                    self.task, completed=done, description=STAGES.get(event.stage.name, event.stage.name), loss=""
                )
        elif isinstance(event, StepEvent):
            loss = event.loss if isinstance(event.loss, str) else format(event.loss, ".4g")
            self.progress.update(
                self.task,
                completed=list(STAGES).index("probe") + event.step / max(event.steps, 1),
                loss=f"step {event.step}/{event.steps}  loss {loss}",
            )
        elif isinstance(event, FaultEvent):
            self.output(f"a fault in stage {event.stage}: {event.traceback.strip().splitlines()[-1]}")

    def output(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def listener(quiet: bool) -> Silent | Live:
    """The live line on a terminal, silence elsewhere or with ``-q``."""
    if quiet or not sys.stderr.isatty():
        return Silent(quiet)
    return Live()
