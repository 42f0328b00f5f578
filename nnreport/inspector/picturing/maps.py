"""What the channels of an early, a middle and a late layer answer: recorded in one forward of a copy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nnreport.facts import Graph, Maps
from nnreport.inspector.picturing.rasters import plain, raster, smaller

ACTIVATIONS = frozenset((
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "selu_", "celu", "celu_", "gelu", "silu",
    "mish", "prelu", "rrelu", "hardswish", "hardtanh", "hardtanh_", "softplus", "tanh", "sigmoid", "threshold", "threshold_",
))  # fmt: skip
CONVOLUTIONS = frozenset(("conv1d", "conv2d"))
LAYERS = 3
CHANNELS = 8
SIDE = 24
"""Pixels of a map's longest side; :data:`POINTS` of a one-dimensional one."""
POINTS = 96
DEAD = 64


class Watch(TorchFunctionMode):
    """Keeps small copies of what some operations give, while it is entered."""

    def __init__(self, model: nn.Module, names: frozenset[str], wanted: set[int]) -> None:
        super().__init__()
        self.names = names
        self.wanted = wanted
        self.seen = 0
        self.stack: list[str] = [""]
        self.maps: list[Maps] = []
        self.handles = []
        for path, module in model.named_modules():
            with contextlib.suppress(Exception):  # a compiled one takes none; then its caller's path stands for it
                self.handles.append(module.register_forward_pre_hook(self.entering(path)))
                self.handles.append(module.register_forward_hook(self.leaving))

    def entering(self, path: str) -> Callable[..., None]:
        def enter(module: nn.Module, given: Any) -> None:
            self.stack.append(path)

        return enter

    def leaving(self, module: nn.Module, given: Any, output: Any) -> None:
        if len(self.stack) > 1:
            self.stack.pop()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in self.names and isinstance(output, Tensor) and output.dim() in (3, 4):
            if self.seen in self.wanted:
                try:
                    made = maps_of(output, self.stack[-1], name.rstrip("_"))
                except Exception:  # one layer less to look at
                    made = None
                if made is not None:
                    self.maps.append(made)
            self.seen += 1
        return output

    def __exit__(self, *reason: Any) -> Any:
        for handle in self.handles:
            handle.remove()
        return super().__exit__(*reason)


def choice(graph: Graph | None) -> tuple[frozenset[str], set[int]]:
    """Which operations are watched, and which of them, counted from 0, are kept: an early, a middle and a late one.

    Activations after which something is left to see; convolutions where there are none.
    """
    if graph is None:
        return ACTIVATIONS, set()
    convolved = any(node.name in CONVOLUTIONS for node in graph.nodes)
    if not convolved:
        return ACTIVATIONS, set()
    given_out = {each for node in graph.nodes if node.kind == "output" for each in node.inputs}
    for names in (ACTIVATIONS, CONVOLUTIONS):
        # The count goes over all with 3 or 4 axes, as the watch sees them; what is kept has places to look at.
        some = [node for node in graph.nodes if node.name in names and node.outputs and len(node.outputs[0].shape) in (3, 4)]
        worth = [i for i, node in enumerate(some) if seen(node.outputs[0].shape) and node.id not in given_out]
        if worth:
            return names, {worth[0], worth[len(worth) // 2], worth[-1]}
    return ACTIVATIONS, set()


def seen(shape: list[int]) -> bool:
    """Has it places enough to be a picture?"""
    return min(shape[2:]) >= 4 if len(shape) == 4 else shape[1] >= 2 and shape[2] >= 16


def maps_of(output: Tensor, module: str, operation: str) -> Maps | None:
    """Some channels of [N, C, y, x] or [N, C, L], and which of all are zero at every place of every sample."""
    if output.layout != torch.strided or output.is_complex() or not output.numel():
        return None
    zero = (output == 0).transpose(0, 1).flatten(1).all(1)
    dead = zero.nonzero().flatten().tolist()
    shown = list(range(min(CHANNELS, output.shape[1])))
    beyond = [i for i in dead if i >= CHANNELS][:2]
    if beyond and not any(i in shown for i in dead):  # a dead one is worth a place
        shown = shown[: -len(beyond)] + beyond
    values = plain(output[0, torch.tensor(shown, device=output.device)])
    small = smaller(values, SIDE) if values.dim() == 3 else F.adaptive_avg_pool1d(values, min(POINTS, values.shape[1]))
    return Maps(
        module=module,
        operation=operation,
        shape=[int(size) for size in output.shape],
        channels=shown,
        raster=raster(small),
        dead=dead[:DEAD],
        dead_count=len(dead),
    )
