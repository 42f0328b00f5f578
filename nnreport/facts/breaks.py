"""Breakpoints that were hit."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Number, Range, Record, TensorInfo


class BreakTensor(Record):
    """One tensor that was at hand where a breakpoint stopped."""

    name: str
    """The user's own name for it in the frame (``x``, ``self.scale``), or ``here.output`` and the like."""
    tensor: TensorInfo
    range: Range | None = None
    requires_grad: bool = False


class Break(Record):
    """A breakpoint (``--break-on``) that was hit, with what was at hand."""

    what: str
    """As the user wrote it: ``nan``, ``forward:layer2.0``, ``step:100``."""
    kind: Literal["nan", "explode", "dead", "forward", "backward", "finding", "step", "error"]
    text: str
    """One sentence: what happened, with the measurement and the limit."""
    step: int = 0
    """Optimizer steps made before it."""
    phase: Literal["forward", "loss", "backward", "step", ""] = ""
    module: str | None = None
    """Dotted path in the watched model; None when it belongs to no module."""
    cls: str = ""
    operation: str = ""
    """The torch function, or the node of the autograd graph."""
    location: Location | None = None
    """The user's line that ran."""
    made: Location | None = None
    """Backward: the line of the forward that built the node."""
    tensors: list[BreakTensor] = []
    values: dict[str, Number] = {}
    """Numbers with names: ``{"gradient_norm": 1e7, "limit": 1e6}``."""
    terminal: bool = False
    """The debugger was opened."""
