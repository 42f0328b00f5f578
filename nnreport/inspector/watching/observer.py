"""What is measured inside the model at the observed steps: activations, gradients, updates, with the probe's own instruments."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from nnreport.facts import ActivationSeries, ParameterSeries
from nnreport.inspector.training.observe import ActivationObserver
from nnreport.inspector.training.updates import ParameterObserver
from nnreport.inspector.watching.log import Log

FIRST = 3
"""Steps at the beginning that are all observed."""
SCHEDULE = ((60, 10), (1_000, 25), (10_000, 250), (math.inf, 2_500))
"""Up to which step, and every how many steps, a run is observed without ``--every``."""
MOST = 400
"""Observed steps that are kept."""


def is_observed(step: int, every: int) -> bool:
    """Is step ``step`` (from 0) observed? ``every`` 0: by :data:`SCHEDULE`."""
    if step < FIRST:
        return True
    period = every or next(period for limit, period in SCHEDULE if step < limit)
    return step % period == 0


class ModelObserver:
    """The instruments on one model. Steps that are not observed run without a hook of theirs."""

    def __init__(self, model: nn.Module, activations: bool) -> None:
        self.parameters = ParameterObserver(model)
        self.activations = ActivationObserver(model, None, functional=True) if activations else None
        if self.activations is not None:
            self.activations.watch.enabled = False
        self.observed: list[int] = []
        self.norms = Log()
        self.inside = self.taken = self.measured = False
        self.left: list[Any] = []
        """Hooks of a forward that raised."""

    # ------------------------------------------------------------------------------------------------- activations

    def forward_begins(self, size: int | None) -> None:
        """A training forward of an observed step begins: the one before it, from which no backward pass came, is forgotten."""
        if self.activations is None or self.taken or self.inside:
            return
        self.clear_left()
        self.activations.drop_step()
        self.activations.batch = size
        self.activations.watch.__enter__()
        self.inside = True

    def forward_ends(self, raising: bool = False) -> None:
        """The forward is over. While an exception passes, torch goes through the very hooks that would be taken away here, and
        the script would get an error of that instead of its own: they are left for later, switched off."""
        if self.inside and self.activations is not None:
            self.inside = False
            watch = self.activations.watch
            if raising:
                self.left += watch.handles
                watch.handles = []
            watch.__exit__(None, None, None)
            watch.enabled = False

    def clear_left(self) -> None:
        """Takes away the hooks of a forward that raised."""
        for handle in self.left:
            handle.remove()
        self.left.clear()

    def backward_begins(self) -> None:
        """What the last forward showed is kept: a backward pass comes from it."""
        if self.activations is not None and self.activations.samples:
            self.taken = True

    # ------------------------------------------------------------------------------------------ gradients and updates

    def before_step(self, step: int) -> None:
        """The gradients are there, the weights not yet changed."""
        self.norms.add(step, self.parameters.norm())
        self.parameters.before()
        self.measured = True

    def after_step(self, step: int) -> None:
        """The weights have been changed."""
        if self.measured:
            self.parameters.after()
            self.observed.append(step)
            if self.activations is not None and self.activations.samples:
                self.activations.end_step()
        self.reset()
        if len(self.observed) > MOST:
            self.halve()

    def reset(self) -> None:
        """Ready for the next observed step."""
        self.forward_ends()
        self.clear_left()
        if self.activations is not None:
            self.activations.drop_step()
        self.taken = self.measured = False

    def halve(self) -> None:
        """Every other observed step is forgotten; the first ones stay."""
        length = len(self.observed)
        keep = [i for i in range(length) if i < FIRST or i % 2 == 0]
        self.observed = [self.observed[i] for i in keep]
        for series in [*self.parameters.series, *(self.activations.series.values() if self.activations else ())]:
            thin(series, keep, length)

    def record_activations(self) -> list[ActivationSeries]:
        return list(self.activations.series.values()) if self.activations is not None else []


def thin(series: ParameterSeries | ActivationSeries, keep: list[int], length: int) -> None:
    """Leaves the entries of ``keep`` in every list that has one entry an observed step."""
    for name in series.__struct_fields__:
        values: Any = getattr(series, name)
        if isinstance(values, list) and len(values) == length and name != "dead_units":
            setattr(series, name, [values[i] for i in keep])
