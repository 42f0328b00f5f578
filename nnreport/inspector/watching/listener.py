"""Who is told, beside the watch itself, of what a script does: the breakpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from nnreport.inspector.watching.forwards import Forward
    from nnreport.inspector.watching.losses import LossCall
    from nnreport.inspector.watching.optimizers import OptimizerWatch
    from nnreport.inspector.watching.trained import TrainedModel


class Listener:
    """Hears everything, does nothing. What a method raises goes into the script, but for :meth:`model_found`."""

    def model_found(self, model: TrainedModel) -> None:
        """A model is watched from now on."""

    def forward_begun(self, model: TrainedModel, forward: Forward) -> None:
        """A call of the model from outside begins."""

    def forward_ended(self, model: TrainedModel, forward: Forward, output: Any) -> None:
        """It has ended."""

    def loss_computed(self, call: LossCall) -> None:
        """A loss of torch's was computed."""

    def backward_begun(self, roots: list[Tensor]) -> None:
        """A backward pass begins at ``roots``."""

    def backward_ended(self, roots: list[Tensor]) -> None:
        """It has ended, and raised nothing."""

    def before_step(self, watch: OptimizerWatch) -> None:
        """The gradients are there, the weights not yet changed."""

    def after_step(self, watch: OptimizerWatch) -> None:
        """The weights have been changed; ``watch.steps`` counts this step."""
