"""What is copied or saved of a watched model has none of our hooks: it is what it would be without the watch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)
"""Attributes of a module that hold hooks by number."""
OURS: set[int] = set()
"""Numbers of our hooks; torch gives each number once."""


def without_hooks(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wraps ``nn.Module.__getstate__``, which copying and pickling go through."""

    def __getstate__(module: Any) -> Any:
        state = original(module)
        for name in HOOKS:
            hooks = state.get(name)
            if hooks and not OURS.isdisjoint(hooks):
                state[name] = OrderedDict((key, hook) for key, hook in hooks.items() if key not in OURS)
        return state

    return __getstate__


def unscripted(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps ``torch.jit.script``, which would compile our hooks, and ``torch.jit.trace``, which would record them."""

    def without_hooks_of_ours(thing: Any, *args: Any, **kwargs: Any) -> Any:
        with unhooked(thing):
            return original(thing, *args, **kwargs)

    return without_hooks_of_ours


@contextmanager
def unhooked(module: Any) -> Iterator[None]:
    """``module`` and its parts without our hooks, in the block."""
    parts = list(module.modules()) if hasattr(module, "_forward_hooks") and hasattr(module, "modules") else []
    kept: list[tuple[Any, dict[int, Any]]] = []
    for part in parts:
        for name in HOOKS:
            hooks = getattr(part, name, None)
            if hooks and not OURS.isdisjoint(hooks):
                kept.append((hooks, dict(hooks)))
                for key in OURS.intersection(hooks):
                    del hooks[key]
    try:
        yield
    finally:
        for hooks, before in kept:
            hooks.clear()
            hooks.update(before)


class Absent:
    """Stands for the watch in the copy of a module that writes its own ``__getstate__``: it sees nothing."""

    depth = 0

    def active(self) -> bool:
        return False

    def before(self, *given: Any) -> None:
        """A call begins."""

    def after(self, *given: Any) -> None:
        """It has ended."""
