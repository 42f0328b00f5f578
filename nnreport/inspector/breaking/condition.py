"""What every condition is: asked about what happens, it answers with a hit or with None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from nnreport.breakspec import BreakSpec
from nnreport.inspector.breaking.hit import Hit

if TYPE_CHECKING:
    from nnreport.inspector.breaking.breakpoints import Breakpoints
    from nnreport.inspector.breaking.operations import Operation
    from nnreport.inspector.watching.optimizers import OptimizerWatch
    from nnreport.inspector.watching.trained import TrainedModel


class Condition:
    """One breakpoint; armed until it is hit.

    Attributes:
        operations: it must hear every operation, which costs time.
        modules: it must hear every module.
    """

    operations = False
    modules = False

    def __init__(self, spec: BreakSpec, breakpoints: Breakpoints) -> None:
        self.spec, self.breakpoints = spec, breakpoints
        self.armed = True
        self.hit = False

    def operation(self, operation: Operation) -> Hit | None:
        """A torch function has run, in a forward of the model or where a gradient is built."""
        return None

    def module_begins(self, path: str, module: nn.Module, args: Any, kwargs: Any) -> Hit | None:
        """A module is about to be called."""
        return None

    def module_ended(self, path: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Hit | None:
        """A module was called."""
        return None

    def backward_begun(self, roots: list[Tensor]) -> Hit | None:
        """``backward`` was called."""
        return None

    def backward_ended(self, roots: list[Tensor]) -> Hit | None:
        """It is through."""
        return None

    def before_step(self, watch: OptimizerWatch) -> Hit | None:
        """An optimizer is about to change the weights."""
        return None

    def after_step(self, watch: OptimizerWatch) -> Hit | None:
        """It has."""
        return None

    def model_found(self, model: TrainedModel) -> None:
        """A model is watched from now on."""

    def ended(self) -> str:
        """The script is over, and this was never hit: what the reader should know of it, if anything."""
        return ""
