"""What was asked for, and in what surroundings."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Range, Record, Scalar, TensorInfo


class Environment(Record):
    python: str = ""
    torch: str = ""
    nnreport: str = ""
    platform: str = ""
    """Operating system and architecture; no host name."""
    packages: dict[str, str] = {}
    device: str = ""
    """The device used, e.g. ``cpu`` or ``cuda:0``."""
    device_name: str = ""
    device_reason: str = ""
    """Why this device."""
    devices: list[str] = []
    """All accelerators seen."""
    threads: int = 0
    memory: int = 0
    seed: int = 0
    command: str = ""
    time: str = ""
    """UTC, ISO 8601; from SOURCE_DATE_EPOCH if set."""


class InputSpec(Record):
    """One input of the model, as it was given or found."""

    name: str
    """Parameter name in ``forward``; a keyword input has ``keyword`` set."""
    keyword: bool = False
    tensor: TensorInfo | None = None
    value: str = ""
    """repr of an input that is no tensor."""
    source: str = ""
    """How it was got: ``--input 1,784``, ``example_inputs()``, ``first batch of --data``, ``dummy_inputs`` …"""
    range: Range | None = None


class Target(Record):
    spec: str = ""
    """TARGET as the user wrote it."""
    name: str = ""
    """Short name for titles and file names: ``SimpleNet``."""
    cls: str = ""
    """Qualified class of the root module."""
    kind: Literal["module", "weights"] = "module"
    location: Location | None = None
    arguments: dict[str, Scalar] = {}
    inputs: list[InputSpec] = []
    weights: str = ""
    """File name given with --weights, no folder."""
    missing_keys: list[str] = []
    unexpected_keys: list[str] = []
    mismatched_keys: dict[str, list[list[int]]] = {}
    """name -> [shape in the model, shape in the checkpoint]"""
