"""What a model gives back, whatever its shape: the tensors in it with their names, and the one a loss would read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

PREFERRED = (
    "logits",
    "prediction_logits",
    "pred_logits",
    "predictions",
    "prediction",
    "preds",
    "pred",
    "scores",
    "y_hat",
    "output",
    "out",
)
"""Names of the tensor that a loss reads, the surest first."""
DEPTH = 4
"""How deep containers are searched."""
RESHAPES = (
    "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "Expand", "Select", "Slice",
    "Clone", "Alias", "ToCopy", "AsStrided", "Unbind", "Split", "SplitWithSizes", "Movedim", "Index",
)  # fmt: skip
"""Autograd nodes that change the shape, layout or type of a tensor and no value."""


def named_tensors(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """All tensors in an output with their key paths (``logits``, ``0``, ``heads.1``; ``""`` for a bare tensor), in order."""
    if isinstance(value, Tensor):
        yield name, value
    elif depth < DEPTH:
        for key, item in children(value):
            yield from named_tensors(item, f"{name}.{key}" if name else str(key), depth + 1)


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a container: mapping, named tuple, sequence or dataclass; nothing for anything else."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=False)
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name, None)


def differentiable(tensor: Tensor) -> bool:
    """A gradient can start at it."""
    return tensor.requires_grad and (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0


def trainable(tensor: Tensor) -> bool:
    """A gradient can start at it, or nobody asks for gradients now."""
    return tensor.requires_grad or (tensor.is_floating_point() and not torch.is_grad_enabled())


def prediction(output: Any) -> tuple[str, Tensor] | None:
    """The tensor that a loss would read: differentiable, floating, by its name if one speaks for itself, else the first; None if
    there is none."""
    found = [(n, t) for n, t in named_tensors(output) if differentiable(t)]
    if not found:
        found = [(n, t) for n, t in named_tensors(output) if t.is_floating_point() and t.numel() > 0]
    for preferred in PREFERRED:
        for name, tensor in found:
            if name.rpartition(".")[2].lower() == preferred:
                return name, tensor
    named_loss = [pair for pair in found if not (pair[0].lower().endswith("loss") and pair[1].dim() == 0)]
    left = named_loss or found
    return left[0] if left else None


def own_loss(output: Any) -> Tensor | None:
    """The loss that an output carries (``output.loss``, ``output["loss"]``), a scalar with a gradient; else None.

    A dict of losses only (``{"loss_classifier": …, "loss_box_reg": …}``, torchvision's detectors) is their sum.
    """
    if isinstance(output, Mapping):
        loss = output.get("loss")
        scalars = [v for v in output.values() if isinstance(v, Tensor) and v.dim() == 0 and trainable(v)]
        if loss is None and scalars and len(scalars) == len(output) and all("loss" in str(k).lower() for k in output):
            return torch.stack(scalars).sum()
    else:
        loss = getattr(output, "loss", None) if not isinstance(output, Tensor) else None
    if isinstance(loss, Tensor) and loss.numel() == 1 and trainable(loss):
        return loss.reshape(())
    return None


def is_distribution(output: Any) -> bool:
    """A ``torch.distributions`` object that can be asked for log-probabilities."""
    return isinstance(output, torch.distributions.Distribution)


def last_operation(tensor: Tensor) -> str:
    """Name of the operation that made ``tensor``, reshapes looked through: ``softmax``, ``sigmoid``, ``linear``, ``conv`` …;
    ``""`` for a leaf. Read from the autograd graph, so it is what really ran in this forward."""
    node: Any = tensor.grad_fn
    for _ in range(32):
        if node is None:
            return ""
        name = node.name().removesuffix("Backward").rstrip("0123456789").removesuffix("Backward")
        if name not in RESHAPES:
            return OPERATIONS.get(name, name.lower())
        node = node.next_functions[0][0] if node.next_functions else None
    return ""


OPERATIONS = {
    "Addmm": "linear", "Mm": "linear", "Addmv": "linear", "Linear": "linear", "Bmm": "matmul", "MkldnnLinear": "linear",
    "Convolution": "conv", "MkldnnConvolution": "conv", "Softmax": "softmax", "LogSoftmax": "log_softmax", 
    "LogSigmoid": "logsigmoid",
    "NativeLayerNorm": "layer_norm", "NativeBatchNorm": "batch_norm", "NativeGroupNorm": "group_norm", "FusedRMSNorm": "rms_norm",
    "HardtanhBackward": "hardtanh", "Threshold": "threshold", "ClampMin": "clamp_min",
}  # fmt: skip
"""Autograd node -> the operation's usual name; others are the node's name in lower case."""


def sums_to_one(tensor: Tensor, logarithmic: bool = False) -> int | None:
    """The axis over which ``tensor`` (``exp`` of it, if ``logarithmic``) is a distribution: non-negative, sums to 1.

    The last axis is tried first, then axis 1, then the rest; axes of size 1 cannot tell and are passed over.
    """
    if tensor.is_complex() or not tensor.is_floating_point() or tensor.dim() == 0:
        return None
    values = tensor.detach()
    if logarithmic:
        if bool((values > 1e-3).any()):
            return None
        values = values.float().exp()
    elif bool((values < 0).any()):
        return None
    axes = list(dict.fromkeys([tensor.dim() - 1, *range(1, tensor.dim()), 0]))
    tolerance = 1e-3 if tensor.dtype in (torch.float32, torch.float64) else 2e-2
    for axis in axes:
        if values.shape[axis] > 1 and bool(((values.sum(axis, dtype=torch.float32) - 1).abs() < tolerance).all()):
            return axis
    return None
