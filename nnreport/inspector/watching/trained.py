"""One model under watch with all that is kept of it."""

from __future__ import annotations

import weakref

from torch import nn

from nnreport.inspector.watching.capture import Capture
from nnreport.inspector.watching.evaluations import Evaluations
from nnreport.inspector.watching.forwards import Forward, ModelWatch
from nnreport.inspector.watching.observer import ModelObserver
from nnreport.inspector.watching.optimizers import OptimizerWatch

MOST_OPEN = 2_000
"""Forwards without a backward pass that are told apart; a long generation has millions."""


class TrainedModel:
    """All that is kept of one model."""

    def __init__(self, watch: ModelWatch, observer: ModelObserver) -> None:
        self.watch = watch
        self.observer = observer
        self.evaluations = Evaluations()
        self.capture = Capture()
        self.open: list[Forward] = []
        """Forwards since the last backward pass, as many as are kept."""
        self.more = 0
        """Those beyond."""
        self.last: Forward | None = None
        """The last that a backward pass came from."""
        self.loaders: set[int | None] = set()
        self.primary: weakref.ref[OptimizerWatch] | None = None
        """The optimizer whose steps are the model's."""
        self.unheld: dict[str, int] = {}
        """Name of a parameter in no optimizer that got a gradient -> its elements."""
        self.silent: list[str] = []
        self.held: set[str] = set()
        """Names of the parameters that an optimizer holds, or once held."""
        self.autocast = ""
        self.kept: nn.Module | None = None
        """The model itself while it is trained, so that it is there for the look when the function that made it has ended."""
        self.asked = False
        """It was named by the user, so the report is about it."""

    def opened(self, forward: Forward) -> None:
        """A forward has ended. Of very many without a backward pass those go that built no graph, then the oldest."""
        if len(self.open) >= MOST_OPEN:
            self.more += 1
            if not forward.grad:
                return
            del self.open[0]
        self.open.append(forward)

    @property
    def step(self) -> int:
        """Steps made of its optimizer."""
        owner = self.primary() if self.primary is not None else None
        return owner.steps if owner is not None else 0
