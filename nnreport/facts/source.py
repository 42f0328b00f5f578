"""The user's files that define the model."""

from __future__ import annotations

from nnreport.facts.base import Record


class SourceClass(Record):
    name: str
    line: int
    end: int
    used: bool = False
    """An instance of it is in the model (or it is a base of one)."""


class SourceFile(Record):
    """A file of the user's that defines the model. The text is there for the checks, and left out of a saved report."""

    path: str
    text: str = ""
    classes: list[SourceClass] = []
    target: bool = False
    """It is the file that TARGET names."""
