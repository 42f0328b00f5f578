"""Which modules and functions are activations, of which kind, and what is measured of each kind."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RAIL_MARGIN = 0.02
"""Within this of a rail, on a scale on which the rails are 1 apart from the middle (tanh) or from each other (sigmoid)."""
RELU_KINDS = frozenset(("ReLU", "ReLU6", "Threshold"))
"""Kinds with units that can die."""
RAILS: dict[str, tuple[float, float]] = {
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
}
"""Kind -> its rails."""
SILENT = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.modules.dropout._DropoutNd, nn.modules.loss._Loss)
"""Modules whose output says nothing that their input did not."""

NAMES = {
    "relu": "ReLU", "relu6": "ReLU6", "threshold": "Threshold", "clamp": "ReLU", "clamp_min": "ReLU", "leaky_relu": "LeakyReLU",
    "elu": "ELU", "selu": "SELU", "celu": "CELU", "gelu": "GELU", "silu": "SiLU", "mish": "Mish", "softplus": "Softplus",
    "tanh": "Tanh", "sigmoid": "Sigmoid", "hardtanh": "Hardtanh", "hardsigmoid": "Hardsigmoid", "hardswish": "Hardswish",
    "softsign": "Softsign", "logsigmoid": "LogSigmoid", "softmax": "Softmax", "log_softmax": "LogSoftmax", "prelu": "PReLU",
}  # fmt: skip
"""Function -> the class of the same meaning."""


def functions() -> dict[Any, str]:
    """Every spelling of every activation function (``F.relu``, ``torch.relu_``, ``Tensor.relu`` …) -> its plain name."""
    found: dict[Any, str] = {}
    for name in NAMES:
        for place in (F, torch, Tensor, torch.special):
            for spelling in (name, name + "_", {"sigmoid": "expit"}.get(name, name)):
                function = getattr(place, spelling, None)
                if function is not None:
                    found[function] = name
    return found


def layouts() -> dict[Any, str]:
    """Functions after which the channels are known to lie on axis 1 (``first``) or on the last axis (``last``)."""
    found: dict[Any, str] = {}
    first = (
        "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "batch_norm", "instance_norm",
        "group_norm",
    )  # fmt: skip
    last = (
        "linear", "layer_norm", "rms_norm", "embedding", "multi_head_attention_forward", "scaled_dot_product_attention", "matmul",
        "bilinear",
    )  # fmt: skip
    for names, layout in ((first, "first"), (last, "last")):
        for name in names:
            for place in (F, torch, Tensor):
                function = getattr(place, name, None)
                if function is not None:
                    found[function] = layout
    found[Tensor.__matmul__] = "last"
    return found


def module_kind(module: nn.Module) -> str:
    """The first class in the MRO that torch.nn defines (``ReLU``, ``Linear``); the class's own name for a user's."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("torch.nn.modules") and cls is not nn.Module:
            return cls.__name__
    return type(module).__name__


def function_kind(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Kind of one call of an activation function; None for a clamp that is no ReLU, or a threshold to something else than 0."""
    if name in ("clamp", "clamp_min"):
        low = kwargs.get("min", args[1] if len(args) > 1 else None)
        high = kwargs.get("max", args[2] if len(args) > 2 else None)
        return "ReLU" if isinstance(low, (int, float)) and low == 0 and high is None else None
    if name == "threshold":
        value = kwargs.get("value", args[2] if len(args) > 2 else None)
        return "Threshold" if value == 0 else None
    if name == "hardtanh":
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
        high = kwargs.get("max_val", args[2] if len(args) > 2 else 1.0)
        return "ReLU6" if low == 0 and high == 6 else "Hardtanh" if (low, high) == (-1.0, 1.0) else None
    return NAMES[name]


def kind_of(module: nn.Module) -> str:
    """Kind of a module for its series; a Hardtanh between other bounds than -1 and 1, or a Threshold to another value than 0,
    goes by a name of its own, so that nobody measures rails or dead units on it."""
    kind = module_kind(module)
    if isinstance(module, nn.Threshold) and module.value != 0:
        return "Threshold to a value"
    if kind == "Hardtanh" and isinstance(module, nn.Hardtanh) and (module.min_val, module.max_val) != (-1.0, 1.0):
        return "Hardtanh between other bounds"
    return kind


def rails_share(kind: str, values: Tensor) -> Tensor:
    """Share of ``values`` (the last axis is averaged) within :data:`RAIL_MARGIN` of a rail of ``kind``."""
    low, high = RAILS[kind]
    return ((values <= low + RAIL_MARGIN) | (values >= high - RAIL_MARGIN)).float().mean(-1)
