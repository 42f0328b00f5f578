"""Numbers about a tensor from a sample of its elements."""

from __future__ import annotations

import torch
from torch import Tensor

from nnreport.facts import Range

SAMPLE = 4096
"""Elements looked at per tensor, at most."""
WHOLE = 1 << 20
"""Tensors up to this size are looked at whole where a range is asked for."""


def sample(tensor: Tensor, count: int = SAMPLE) -> Tensor:
    """At most ``count`` elements of ``tensor``, evenly over its memory, as a flat tensor (a view where it can be one).

    The stride is odd and no multiple of the last axis, so that not one channel is seen alone.
    """
    flat = tensor.detach().reshape(-1)
    return flat if flat.numel() <= count else flat[:: stride_for(flat.numel(), tensor.shape[-1], count)]


def stride_for(total: int, last: int, count: int = SAMPLE) -> int:
    """The step between elements so that at most ``count`` of ``total`` are taken."""
    step = -(-total // count)
    while step % 2 == 0 or step % 3 == 0 or (last > 1 and step % last == 0):
        step += 1
    return step


def range_of(tensor: Tensor, most: int = WHOLE) -> Range | None:
    """Range of a real tensor; None for an empty, complex, sparse or quantised one."""
    if tensor.numel() == 0 or tensor.is_complex() or tensor.layout != torch.strided or tensor.is_quantized:
        return None
    values = sample(tensor, most)
    values = values.double() if values.device.type != "mps" else values.float()  # squares of large floats overflow
    finite = torch.isfinite(values)
    nan = int(values.isnan().sum())
    kept = values if bool(finite.all()) else values[finite]
    if kept.numel() == 0:
        return Range(minimum=0.0, maximum=0.0, mean=0.0, std=0.0, nan=nan, inf=values.numel() - nan, count=values.numel())
    low, high = kept.aminmax()
    return Range(
        minimum=float(low),
        maximum=float(high),
        mean=float(kept.mean()),
        std=float(kept.std(correction=0)),
        zeros=float((kept == 0).float().mean()),
        nan=nan,
        inf=values.numel() - kept.numel() - nan,
        count=values.numel(),
    )
