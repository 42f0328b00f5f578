"""Tensors as small arrays of 8 bits a value."""

from __future__ import annotations

import base64
import zlib

import torch
from torch import Tensor
from torch.nn import functional as F

from nnreport.facts import Number, Raster, number

TOP = 254
"""The byte of the largest value; 255 is NaN or Inf."""
BROKEN = 255
DENSE = 10_000_000
"""Elements of a sparse tensor that is written out."""


class Undrawable(Exception):
    """A tensor that has no values to draw; the message says why, for the reader."""


def strided(tensor: Tensor) -> Tensor:
    """The tensor as one that can be cut and permuted. Raises Undrawable where it holds no values, or none of one shape."""
    if tensor.is_nested:
        raise Undrawable("its rows differ in length (nested)")
    if tensor.is_meta:
        raise Undrawable("it holds no values (meta device)")
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        if tensor.numel() > DENSE:
            raise Undrawable("it is sparse and large")
        tensor = tensor.to_dense()
    return tensor.dequantize() if tensor.is_quantized else tensor


def plain(tensor: Tensor) -> Tensor:
    """The values as float64 on the CPU, real (complex ones by their magnitude), of whatever dtype they were.

    Cut it down first: all of it is copied. Raises Undrawable where there are no values.
    """
    tensor = strided(tensor)
    if tensor.is_complex():
        tensor = tensor.to(torch.complex64).abs()
    if not tensor.numel():
        raise Undrawable("it is empty")
    return tensor.to("cpu").float().double() if tensor.dtype.itemsize < 4 else tensor.to("cpu").double()


def ends(values: Tensor) -> tuple[float, float]:
    """Smallest and largest finite value; (0, 1) where none is finite."""
    finite = values[torch.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)


def raster(values: Tensor, low: float | None = None, high: float | None = None, *, each: bool = False) -> Raster:
    """``values`` in 8 bits. One scale for all (``low … high``, from the values where None), or one for each leading entry."""
    if each:
        pairs = [ends(part) for part in values]
    else:
        found = ends(values) if low is None or high is None else (low, high)
        pairs = [(found[0] if low is None else low, found[1] if high is None else high)]
    shape = [len(pairs)] + [1] * (values.dim() - 1)
    lows = torch.tensor([pair[0] for pair in pairs], dtype=torch.float64).reshape(shape)
    highs = torch.tensor([pair[1] for pair in pairs], dtype=torch.float64).reshape(shape)
    wide = (highs / 2 - lows / 2).clamp_min(1e-300)  # halves: the difference of two huge floats overflows
    share = ((values / 2 - lows / 2) / wide).clamp(0, 1)
    share = torch.where((highs == lows).expand_as(share), torch.full_like(share, 0.5), share)
    levels = (share.nan_to_num(0) * TOP).round()
    levels[~torch.isfinite(values)] = BROKEN
    data = bytes(levels.to(torch.uint8).flatten().tolist())
    return Raster(
        shape=[int(size) for size in values.shape],
        low=[short(pair[0]) for pair in pairs],
        high=[short(pair[1]) for pair in pairs],
        data=base64.b64encode(zlib.compress(data, 9)).decode(),
    )


def short(value: float) -> float:
    """Five significant digits: what a reader or a scale needs."""
    return float(f"{value:.5g}")


def said(value: float) -> Number:
    """The same for a value that may be non-finite."""
    return number(short(value))


def smaller(images: Tensor, side: int) -> Tensor:
    """[…, y, x] averaged down so that no side is longer than ``side``; the aspect is kept."""
    height, width = images.shape[-2:]
    scale = side / max(height, width)
    if scale >= 1:
        return images
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    flat = images.reshape(-1, 1, height, width)
    return F.adaptive_avg_pool2d(flat, size).reshape(*images.shape[:-2], *size)


def picked(length: int, most: int) -> Tensor:
    """At most ``most`` indices evenly over ``length``, the first and the last among them."""
    return torch.linspace(0, length - 1, min(length, most)).round().long()
