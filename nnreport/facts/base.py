"""What all records are made of: numbers, places, tensors, failures."""

from __future__ import annotations

from typing import Literal

import msgspec

Scalar = str | int | float | bool | None
#: A float that may be non-finite: JSON has no NaN, so those travel as ``"nan"``, ``"inf"`` or ``"-inf"``.
Number = float | Literal["nan", "inf", "-inf"]


def number(value: float) -> Number:
    """A float as it may travel in JSON: finite as it is, non-finite as its name."""
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return value


class Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of all records: unknown keys are ignored on reading, defaults are left out on writing."""


class Location(Record):
    """A line of source. ``path`` is relative to the working directory (the user's own files) or to the package root
    (``torch/nn/modules/linear.py``); never absolute."""

    path: str
    line: int
    user: bool = True
    """True: the user's own file. False: an installed package."""
    function: str = ""
    text: str = ""
    """The stripped source line, where it is known."""


class TensorInfo(Record):
    shape: list[int]
    dtype: str


class Range(Record):
    """What a tensor held, from a sample of its elements (all of them when small)."""

    minimum: float
    maximum: float
    mean: float
    std: float
    zeros: float = 0.0
    """Share of elements that are exactly zero."""
    nan: int = 0
    inf: int = 0
    count: int = 0
    """Elements looked at; the statistics are over the finite ones."""


class Frame(Record):
    """One frame of the user's traceback, outermost first."""

    location: Location


class Failure(Record):
    """The user's own code failed: in the constructor, forward, backward, loss, data or optimizer."""

    phase: Literal["construct", "forward", "backward", "loss", "data", "optimizer", "weights", "script"]
    exception: str
    """Class name, e.g. ``RuntimeError``."""
    message: str
    module: str | None = None
    """Innermost module in which it happened."""
    cls: str = ""
    inputs: list[TensorInfo] = []
    """What that module was given."""
    expected: str = ""
    """What it wanted, in words, where that can be told: ``784 features in the last axis``."""
    operation: str = ""
    """The torch function that raised, e.g. ``linear``."""
    location: Location | None = None
    """The user's own innermost line."""
    frames: list[Frame] = []
    hint: str = ""
    """How to mend it, where that can be told, else empty."""
