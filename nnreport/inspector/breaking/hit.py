"""A breakpoint that was hit: what happened and what is at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Literal

from nnreport.facts import Location

Phase = Literal["forward", "loss", "backward", "step", ""]


@dataclass
class Hit:
    """What a condition found.

    Attributes:
        text: one sentence with the measurement and the limit, no full stop.
        here: what the reader may want to look at, by name; tensors, modules, numbers.
        frame: where the debugger opens; None: the user's innermost running frame.
        location: the line that the record names; None: that of the frame.
        made: backward: the line of the forward that built the node.
        error: an exception to look at post mortem.
    """

    text: str
    phase: Phase = ""
    module: str | None = None
    cls: str = ""
    operation: str = ""
    here: dict[str, Any] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    frame: FrameType | None = None
    location: Location | None = None
    made: Location | None = None
    error: BaseException | None = None

    @property
    def trace(self) -> TracebackType | None:
        return self.error.__traceback__ if self.error is not None else None


class Here:
    """The values of a hit as attributes: ``here.output``."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        return "here: " + ", ".join(sorted(self.__dict__))


def named(path: str, cls: str) -> str:
    """A module with its class: ``fc1 (Linear)``."""
    return f"{path or 'the model'} ({cls})"


def label(module: str | None) -> str:
    """A module in a sentence."""
    return "the script" if module is None else module or "the model"
