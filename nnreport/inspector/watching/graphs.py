"""Are the graphs of past losses still in memory? A token is tied to each graph, and dies with it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from torch import Tensor

from nnreport.facts import Location

KEY = "nnreport"
RECENT = 2
"""The script's own variables keep the last loss or two alive."""
LEAST = 8
"""Graphs looked at, at least."""
TOKENS = 64


class Token:
    """Lives as long as the node of the autograd graph in whose metadata it stands."""

    __slots__ = ("__weakref__",)


class Graphs:
    """The graphs of the losses of the last steps."""

    def __init__(self) -> None:
        self.tokens: deque[tuple[int, weakref.ref[Token]]] = deque(maxlen=TOKENS)
        self.alive = self.looked = 0
        self.location: Location | None = None

    def tie(self, loss: Tensor, step: int) -> None:
        """Remembers the graph of a loss without keeping it."""
        node: Any = loss.grad_fn
        if node is None:
            return
        token = Token()
        node.metadata[KEY] = token
        self.tokens.append((step, weakref.ref(token)))

    def look(self, step: int) -> None:
        """Counts which of the graphs of earlier steps live, the latest run of such at its longest."""
        old = [(s, ref) for s, ref in self.tokens if s <= step - RECENT]
        if len(old) < LEAST:
            return
        run = 0
        for _, ref in reversed(old):
            if ref() is None:
                break
            run += 1
        if run > self.alive:
            self.alive, self.looked = run, len(old)
