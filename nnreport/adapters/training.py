"""What the callbacks have in common: one watch over one training, and the file that is written after it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from nnreport.cli.outputs import check_outputs, default_output
from nnreport.report import Report
from nnreport.watching import watch


class Training:
    """Watches one training after the other, and writes the report of each.

    Args:
        output: where to; the suffix says what (``.html .pdf .json .md .sarif``). None: ``nnreport-<Model>.html``.
        steps: watch that many optimizer steps only.
        every: look into the model at every so many steps; 0: often at first, rarer later.
        look: run the model again afterwards: diagram, FLOPs, experiments.
        pictures: False: no sample of what goes in and comes out is kept.
        select: checks or groups to run; empty means all.
        ignore: checks or groups to leave out.
        title: title of the report.

    Attributes:
        report: of the last training; None before its end, and in all processes but the first.

    Raises:
        UsageError: ``output`` cannot be written, or a number is out of range; before anything is trained.
    """

    def __init__(
        self,
        output: str | PathLike[str] | None = None,
        *,
        steps: int | None = None,
        every: int = 0,
        look: bool = True,
        pictures: bool = True,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        title: str = "",
    ) -> None:
        self.output = fspath(output) if output is not None else None
        if self.output is not None:
            check_outputs([self.output])
        self.settings: dict[str, Any] = {
            "steps": steps,
            "every": every,
            "look": look,
            "pictures": pictures,
            "select": select,
            "ignore": ignore,
            "title": title,
        }
        watch(**self.settings)  # what is wrong with them is said now
        self.watch: watch | None = None
        self.report: Report | None = None

    def begin(self, *things: Any) -> None:
        """A training begins, with these models and optimizers."""
        self.drop()
        self.report = None
        self.watch = watch(*things, **self.settings).begin()

    def end(self, error: BaseException | None = None) -> None:
        """It has ended, or raised ``error``: the report is written. What goes wrong with that does not cost the training."""
        under, self.watch = self.watch, None
        if under is None:
            return
        try:
            under.end(error)
            self.report = under.report
            output = self.output or default_output(self.report.model.name)
            self.report.save(output)
            counts = [f"{n} {word}{'' if n == 1 else 's'}" for word in ("error", "warning") if (n := self.report.count(word))]
            print(f"nnreport: {' and '.join(counts) or 'no problem found'}; the report is {output}", file=sys.stderr)
        except Exception as fault:
            print(f"nnreport: no report could be written: {type(fault).__name__}: {fault}", file=sys.stderr)

    def drop(self) -> None:
        """A training that never came to its end is watched no longer."""
        under, self.watch = self.watch, None
        if under is not None and under.session is not None and under.session.watcher is not None:
            under.session.watcher.release()
