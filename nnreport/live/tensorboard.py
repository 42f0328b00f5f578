"""The series of a run for TensorBoard, written while it goes on; the package ``tensorboard`` (no torch, no TensorFlow)."""

from __future__ import annotations

import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

from nnreport.errors import UsageError
from nnreport.events import AnyEvent, DoneEvent, FactEvent
from nnreport.facts import Probe, Run, Series

INSTALL = "--tensorboard needs the package tensorboard: pip install 'nnreport[tensorboard]'"


class TensorBoard:
    """A listener that writes every new value of a run.

    Args:
        folder: TensorBoard's log directory.

    Raises:
        UsageError: tensorboard is not installed, or the folder cannot be written to.
    """

    def __init__(self, folder: str) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise UsageError(INSTALL) from None
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.writer: Any = EventFileWriter(folder)
        except OSError as error:
            raise UsageError(f"--tensorboard {folder}: cannot be written to ({error.strerror})") from None
        self.event_type, self.summary = Event, Summary
        self.written: dict[str, int] = {}

    def event(self, event: AnyEvent) -> None:
        """Writes what a new state of the run holds."""
        if isinstance(event, FactEvent):
            if event.run is not None:
                self.run(event.run)
            if event.probe is not None and event.probe.watched:
                self.probe(event.probe)
        elif isinstance(event, DoneEvent):
            self.writer.flush()

    def output(self, line: str) -> None:
        """The script's output never comes this way."""

    def run(self, run: Run) -> None:
        """Loss, validation, gradient norm, rate, time of a step; by optimizer where there are several."""
        self.series("loss/training", run.losses)
        self.series("loss/validation", run.validation)
        self.series("gradient norm", run.gradient_norms)
        self.series("seconds per step", run.step_seconds)
        self.series("loss scale", run.scale)
        for i, optimizer in enumerate(run.optimizers):
            name = optimizer.variable or (f"{optimizer.name} {i}" if len(run.optimizers) > 1 else optimizer.name)
            self.series(f"learning rate/{name}", optimizer.rates)
            if len(run.optimizers) > 1:
                self.series(f"loss/{name}", optimizer.losses)

    def probe(self, probe: Probe) -> None:
        """By layer: gradient and update of each parameter, scale and zeros of each activation."""
        for parameter in probe.parameters:
            self.values(f"gradient rms/{parameter.name}", probe.observed, parameter.gradient)
            self.values(f"update ratio/{parameter.name}", probe.observed, parameter.update)
        for activation in probe.activations:
            name = activation.module or "model"
            name += f" {activation.node} {activation.nth}" if activation.node else ""
            self.values(f"activation std/{name}", probe.observed, activation.std)
            self.values(f"activation zeros/{name}", probe.observed, activation.zeros)

    def series(self, tag: str, series: Series) -> None:
        self.values(tag, series.steps, series.values)

    def values(self, tag: str, steps: list[int], values: list[Any]) -> None:
        """Those after the last that was written under this tag; non-finite ones too, TensorBoard shows them as such."""
        start = bisect_right(steps, self.written.get(tag, -1))
        for step, value in zip(steps[start:], values[start:], strict=False):
            point = self.summary.Value(tag=tag, simple_value=float(value))
            self.writer.add_event(self.event_type(wall_time=time.time(), step=step, summary=self.summary(value=[point])))
            self.written[tag] = step

    def close(self) -> None:
        """Everything is on disk."""
        self.writer.close()
