"""Functions of torch's that are wrapped while a watch is on, and put back after it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Patches:
    """What was replaced, to be put back in the opposite order."""

    def __init__(self) -> None:
        self.undone: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
        """Replaces ``owner.name`` by ``make(original)``; False where there is nothing of that name."""
        original = vars(owner).get(name)
        if not callable(original):
            return False
        wrapped = functools.wraps(original)(make(original))
        setattr(owner, name, wrapped)
        self.undone.append(lambda: put_back(owner, name, wrapped, original))
        return True

    def later(self, undo: Callable[[], None]) -> None:
        """``undo`` is called when all is put back."""
        self.undone.append(undo)

    def undo(self) -> None:
        """Everything as it was."""
        while self.undone:
            self.undone.pop()()


def put_back(owner: Any, name: str, wrapped: Any, original: Any) -> None:
    """The original, unless somebody else has wrapped ours meanwhile: then ours stays below theirs, and does nothing."""
    if vars(owner).get(name) is wrapped:
        setattr(owner, name, original)
