"""Sees the output of every leaf module and every functional activation while a copy runs, and hands it on with its key.

Module outputs come through forward hooks, functional activations (``F.relu(x)`` in a ``forward``) through a
:class:`~torch.overrides.TorchFunctionMode`. Nothing stays behind: hooks and mode are there only while the watch is entered.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torch.overrides import TorchFunctionMode

from nnreport.facts import Location
from nnreport.inspector.blame import user_location
from nnreport.inspector.training.activations import NAMES, SILENT, function_kind, functions, kind_of, layouts
from nnreport.inspector.training.outputs import named_tensors

MOST_CALLS = 32
"""Calls of one module (or functional activation in one module) that are told apart in a step; later ones are not looked at."""
MOST_KEYS = 4000
"""Series in all."""
FRAMES = 24
"""Python frames looked through for the module in which a function was called."""


class Key(NamedTuple):
    """What a series belongs to."""

    module: str
    node: str
    """Name of a functional activation; ``""`` for a module's own output."""
    nth: int


class Seen(NamedTuple):
    """One output."""

    key: Key
    kind: str
    value: Tensor
    axis: int
    """Where its units lie."""


ACTIVATIONS = set(NAMES.values())


class Watch(TorchFunctionMode):
    """Calls ``take`` with every output that is worth a series.

    Args:
        model: the copy.
        take: gets each output, at once, before anything changes it in place.
        wanted: kinds to hand on; None for all.
        functional: look for functional activations too; off where the model cannot run under a function mode.
    """

    def __init__(
        self, model: nn.Module, take: Callable[[Seen], None], wanted: frozenset[str] | None = None, functional: bool = True
    ) -> None:
        super().__init__()
        self.take = take
        self.wanted = wanted
        self.functional = functional
        self.enabled = True
        self.layout = ""
        self.counts: Counter[tuple[str, str]] = Counter()
        self.locations: dict[Key, Location | None] = {}
        self.handles: list[Any] = []
        self.paths = {id(m): path for path, m in model.named_modules()}
        self.leaves: list[tuple[str, nn.Module, str]] = []
        for path, module in model.named_modules():
            leaf = not any(True for _ in module.children()) or module._parameters
            if leaf and not isinstance(module, SILENT) and "parametrizations" not in path:
                kind = kind_of(module)
                if isinstance(module, torch.jit.ScriptModule):  # takes no hooks
                    continue
                if wanted is None or kind in wanted:
                    self.leaves.append((path, module, kind))
        self.own_activation = {id(m) for _, m, kind in self.leaves if kind in ACTIVATIONS}
        self.functions = functions() if functional else {}
        self.layouts = layouts() if functional else {}

    def __enter__(self) -> Watch:
        self.counts.clear()
        self.layout = ""
        self.enabled = True
        for path, module, kind in self.leaves:
            self.handles.append(module.register_forward_hook(self.hook(path, kind)))
        if self.functional:
            super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        if self.functional:
            super().__exit__(*error)

    def hook(self, path: str, kind: str) -> Callable[..., None]:
        """A forward hook for one module."""

        def seen(module: nn.Module, args: Any, output: Any) -> None:
            if not self.enabled:
                return
            with DisableTorchFunction():  # else every operation of ours goes through the mode, too
                look(module, output)

        def look(module: nn.Module, output: Any) -> None:
            value = (
                output
                if isinstance(output, Tensor)
                else next((t for _, t in named_tensors(output) if t.is_floating_point()), None)
            )
            if value is not None:
                if isinstance(module, nn.RNNBase):
                    self.layout = "last"
                self.hand_on(path, "", kind, value)

        return seen

    def hand_on(self, path: str, node: str, kind: str, value: Tensor) -> None:
        nth = self.counts[(path, node)]
        self.counts[(path, node)] = nth + 1
        if nth >= MOST_CALLS or not value.is_floating_point() or value.numel() == 0 or len(self.counts) > MOST_KEYS:
            return
        self.take(Seen(Key(path, node, nth), kind, value.detach(), self.axis(value)))

    def axis(self, value: Tensor) -> int:
        """Axis of the units: 1 after a convolution, the last after a linear map; where neither ran yet, 1 but for (N, L, C)."""
        if value.dim() < 3:
            return max(value.dim() - 1, 0)
        if self.layout == "last" or (not self.layout and value.dim() == 3):
            return value.dim() - 1
        return 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self.enabled:
            name = self.functions.get(func)
            if name is not None:
                self.function_ran(name, args, kwargs, result)
            elif func in self.layouts:
                self.layout = self.layouts[func]
        return result

    def function_ran(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """An activation function was called: in a module that is itself an activation its hook sees it; else it has a series."""
        if not isinstance(result, Tensor):
            return
        kind = function_kind(name, args, kwargs)
        if kind is None or (self.wanted is not None and kind not in self.wanted):
            return
        owner = calling_module(sys._getframe(2), self.paths)
        if owner is None or id(owner) in self.own_activation:
            return
        path = self.paths[id(owner)]
        key = Key(path, name, self.counts[(path, name)])
        if key not in self.locations:
            self.locations[key] = user_location(sys._getframe(2))
        self.hand_on(path, name, kind, result)


def calling_module(frame: Any, paths: dict[int, str]) -> nn.Module | None:
    """The innermost module of the copy whose method is running."""
    for _ in range(FRAMES):
        if frame is None:
            return None
        code = frame.f_code
        if code.co_argcount and code.co_varnames[0] == "self":
            owner = frame.f_locals.get("self")
            if id(owner) in paths and isinstance(owner, nn.Module):
                return owner
        frame = frame.f_back
    return None
