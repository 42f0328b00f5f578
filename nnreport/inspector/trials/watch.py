"""Follows a forward operation by operation: which function ran, in which module, on which line of the user's, with what result.

Two watched forwards can be laid side by side to find the first operation at which they part.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from nnreport.facts import Graph, Location
from nnreport.inspector.blame import user_location
from nnreport.inspector.tracing.names import SYNCS, operation_name, raw_name
from nnreport.inspector.training.outputs import named_tensors

UNFILLED = ("empty", "new_empty")
"""Functions whose results hold whatever was in memory."""


@dataclass
class Place:
    """Where one operation ran."""

    module: str
    operation: str
    nth: int
    """Which operation of this name in this module, over all its calls."""
    location: Location | None = None


@dataclass
class ModuleStack:
    """The module calls that are open, innermost last, as module paths. The paths of modules that the tree does not hold are their
    caller's with the class name."""

    names: dict[int, str]
    open: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: nn.Module) -> ModuleStack:
        return cls({id(m): name for name, m in model.named_modules()})

    @property
    def inside(self) -> str:
        return self.open[-1] if self.open else ""

    @contextmanager
    def followed(self) -> Iterator[ModuleStack]:
        """Keeps the stack while forwards run. An exception leaves it as it was where it was raised."""

        def enter(module: nn.Module, args: Any) -> None:
            name = self.names.get(id(module))
            if name is None:
                name = ".".join(filter(None, (self.inside, type(module).__name__)))
            self.open.append(name)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if self.open:
                self.open.pop()

        self.open.clear()
        handles = [hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave)]
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()


class Watch(TorchFunctionMode):
    """Calls ``see(index, place, tensors)`` after every operation that made tensors.

    Args:
        stack: keeps the module path.
        see: gives True to have the place's source line filled in.
    """

    def __init__(self, stack: ModuleStack, see: Callable[[int, Place, list[Tensor]], bool]) -> None:
        super().__init__()
        self.stack = stack
        self.see = see
        self.index = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        raw = raw_name(func)
        if raw in SYNCS or raw.startswith(UNFILLED) or getattr(func, "__name__", "") in ("__get__", "__set__"):
            return result
        made = [t for _, t in named_tensors(result)]
        if made:
            name = operation_name(raw)[0]
            place = Place(self.stack.inside, name, self.counts[self.stack.inside, name])
            self.counts[self.stack.inside, name] += 1
            if self.see(self.index, place, made):
                place.location = user_location(sys._getframe(1))
            self.index += 1
        return result


def first_parting(
    model: nn.Module,
    forwards: tuple[Callable[[], Any], Callable[[], Any]],
    look: Callable[[Tensor], Tensor | None],
    parts: Callable[[Tensor, Tensor], bool],
) -> Place | None:
    """The first operation at which two forwards part.

    Args:
        model: what runs in them.
        forwards: the two.
        look: what of a result is kept for comparing; None to pass over it.
        parts: whether two such views differ.
    """
    stack = ModuleStack.of(model)
    seen: dict[int, tuple[str, str, list[Tensor | None]]] = {}
    found: list[Place] = []

    def remember(index: int, place: Place, made: list[Tensor]) -> bool:
        seen[index] = place.module, place.operation, [look(t) for t in made]
        return False

    def compare(index: int, place: Place, made: list[Tensor]) -> bool:
        before = seen.get(index)
        if found or before is None or before[:2] != (place.module, place.operation):
            return False
        for old, tensor in zip(before[2], made, strict=False):
            new = look(tensor)
            if old is not None and new is not None and (old.shape != new.shape or parts(old, new)):
                found.append(place)
                return True
        return False

    for forward, see in zip(forwards, (remember, compare), strict=True):
        with stack.followed(), Watch(stack, see):
            forward()
    return found[0] if found else None


def node_of(graph: Graph | None, place: Place) -> int | None:
    """The graph's node of an operation."""
    if graph is None:
        return None
    nodes = [n.id for n in graph.nodes if n.kind == "op" and n.name == place.operation and n.module == place.module]
    return nodes[place.nth] if place.nth < len(nodes) else None


def same(one: Tensor, other: Tensor) -> bool:
    """Equal, where NaN equals NaN."""
    return torch.equal(one, other) or (
        one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
    )
