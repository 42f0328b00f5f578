"""What the front asks of the inspector, as plain data."""

from __future__ import annotations

import msgspec


class Job(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One inspection. Strings are as the user wrote them on the command line; the inspector gives them their meaning."""

    target: str
    inputs: list[str] = []
    data: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    weights: str | None = None
    steps: int = 30
    seed: int = 0
    device: str = "auto"
    probe: bool = True
    execute: bool = True
    """False (--no-exec): the source alone is read, nothing of the user's is imported."""
    pictures: bool = True
    """False (--no-pictures): no value of the sample is kept."""
    budget: float | None = None
    """Seconds for the experiments; None: chosen from the probe's own time."""
    command: str = ""
    """The command line, for the record."""


class ScriptJob(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One watched script."""

    script: str
    """Path of the script, or the module's name."""
    arguments: list[str] = []
    module: bool = False
    """``script`` names a module, as with ``python -m``."""
    steps: int | None = None
    """Optimizer steps to watch; None: to the end."""
    stop: bool = False
    """End the script there."""
    every: int = 0
    """Observe every so many steps; 0: often at first, rarer later."""
    snapshot: float = 3.0
    """Seconds between two states of the run that are sent on, at least."""
    break_on: list[str] = []
    probe: bool = True
    """False: the model is not run again after the watch."""
    pictures: bool = True
    seed: int = 0
    budget: float | None = None
    command: str = ""
