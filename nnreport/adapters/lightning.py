"""A callback for Lightning: ``Trainer(callbacks=[NNReportCallback()])``."""

from __future__ import annotations

import importlib
import sys
from os import PathLike
from typing import Any

from nnreport.adapters.training import Training
from nnreport.errors import UsageError

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""The same framework under two names, whose classes are not the same."""


def callback_class() -> type:
    """``Callback`` of the package that the program uses: the one that is imported, else the one that is installed.

    Raises:
        UsageError: neither is installed.
    """
    for name in sorted(PACKAGES, key=lambda package: package not in sys.modules):
        try:
            found: type = importlib.import_module(name).Callback
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                raise
            continue
        return found
    raise UsageError("NNReportCallback needs Lightning, which is not installed: pip install lightning")


Callback: Any = callback_class()


class NNReportCallback(Callback):
    """Watches ``Trainer.fit`` and writes the report at its end, in the first process.

    Args:
        output: where to; None: ``nnreport-<Model>.html``.
        settings: as of :class:`nnreport.adapters.training.Training`.
    """

    def __init__(self, output: str | PathLike[str] | None = None, **settings: Any) -> None:
        super().__init__()
        self.training = Training(output, **settings)

    @property
    def report(self) -> Any:
        """The report of the last fit, in the first process."""
        return self.training.report

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before the optimizers are made, so that it is known where."""
        if stage == "fit" and trainer.is_global_zero:
            self.training.begin(pl_module)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        self.training.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self.training.end(exception)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            self.training.end()
