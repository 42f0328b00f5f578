"""``with nnreport.watch(model, optimizer) as w:``: a training loop in a script or notebook under watch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from nnreport.errors import UsageError
from nnreport.job import ScriptJob
from nnreport.session import Collector

if TYPE_CHECKING:
    from nnreport.inspector.watching.block import BlockSession
    from nnreport.report import Report

NOTEBOOK = ("<ipython", "ipykernel_")


class watch:
    """Watches how what is in the block trains; after it, :attr:`report` is the report of that run.

    >>> with nnreport.watch(model, optimizer) as w:
    ...     train(model, optimizer)
    >>> w.report.save("run.html")

    The block runs as it would without: an exception in it passes through, and the report is there all the same. Nothing of
    the models is changed, and no random number is drawn. Watches may be nested.

    Args:
        things: models and optimizers, in any order; none: whatever trains in the block. The report is about the largest model
            given, else about the largest that is trained.
        steps: watch that many optimizer steps, then let the block go on alone; the report is there from then on.
        every: look into the model at every so many steps; 0: often at first, rarer later.
        look: run the model again after the block, on a copy: diagram, FLOPs, experiments, profile.
        pictures: False: no sample of what goes in and comes out is kept.
        seed: seed of what is random in the look.
        budget: seconds for its short counterfactual runs.
        select: checks or groups to run; empty means all.
        ignore: checks or groups to leave out.
        title: title of the report.

    Raises:
        UsageError: on entry: one of ``things`` is neither a model nor an optimizer; the same watch is entered a second time.
    """

    def __init__(
        self,
        *things: Any,
        steps: int | None = None,
        every: int = 0,
        look: bool = True,
        pictures: bool = True,
        seed: int = 0,
        budget: float | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        title: str = "",
    ) -> None:
        if steps is not None and steps < 1:
            raise UsageError(f"steps must be at least 1, not {steps}")
        if every < 0:
            raise UsageError(f"every must be at least 1 (or 0: often at first, rarer later), not {every}")
        self.things = things
        self.job = ScriptJob(
            script="",
            steps=steps,
            every=every,
            probe=look,
            pictures=pictures,
            seed=seed,
            budget=budget,
            command="with nnreport.watch(…)",
        )
        self.select, self.ignore, self.title = select, ignore, title
        self.collector = Collector()
        self.session: BlockSession | None = None
        self.made: Report | None = None

    def __enter__(self) -> watch:
        return self.begin(sys._getframe(1))

    def begin(self, frame: FrameType | None = None) -> watch:
        """What entering the block does; ``frame`` is where it stands."""
        if self.session is not None:
            raise UsageError("this watch has been used already; make a new one with nnreport.watch(…)")
        from nnreport.inspector.watching.block import BlockSession

        self.job.script = place(frame)
        self.session = BlockSession(self.job, self.collector, self.things, frame)
        self.things = ()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """What leaving the block does; ``error`` is what it raised."""
        assert self.session is not None
        self.session.status = None if error is None else 1
        self.session.script_ended(error)
        self.session.finish()

    @property
    def report(self) -> Report:
        """The report of the block.

        Raises:
            UsageError: the block has not ended, nor have its ``steps`` been made.
        """
        if self.session is None or not self.session.finished:
            raise UsageError("the report is there when the block has ended")
        if self.made is None:
            from nnreport.build import build_report

            self.made = build_report(
                self.collector.facts,
                self.collector.stages.values(),
                select=self.select,
                ignore=self.ignore,
                title=self.title,
            )
        return self.made


def place(frame: FrameType | None) -> str:
    """Name of the file that a frame stands in; without a frame, of the program."""
    name = frame.f_code.co_filename if frame is not None else getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return "notebook" if not name or any(part in name for part in NOTEBOOK) else os.path.basename(name)
