"""A callback for Hugging Face's ``Trainer``: ``Trainer(…, callbacks=[NNReportCallback()])``."""

from __future__ import annotations

from os import PathLike
from typing import Any

from nnreport.adapters.training import Training
from nnreport.errors import UsageError

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise UsageError("NNReportCallback needs transformers, which is not installed: pip install transformers") from None


class NNReportCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Watches ``Trainer.train`` and writes the report at its end, in the first process.

    A training that raises has no end for a callback: for a report of that, put ``with nnreport.watch(…)`` around it.

    Args:
        output: where to; None: ``nnreport-<Model>.html``.
        settings: as of :class:`nnreport.adapters.training.Training`.
    """

    def __init__(self, output: str | PathLike[str] | None = None, **settings: Any) -> None:
        self.training = Training(output, **settings)

    @property
    def report(self) -> Any:
        """The report of the last training, in the first process."""
        return self.training.report

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.training.begin(*(kwargs[name] for name in ("model", "optimizer") if kwargs.get(name) is not None))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.training.end()
