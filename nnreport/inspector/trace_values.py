"""What tensors held, from samples of them: ranges, and how far the samples of a batch differ.

Copying 4,096 elements costs microseconds; the statistics of some hundred tensors are then taken in one go. So a range costs about
10 µs a tensor, where eight reductions on each would cost 100.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import torch
from torch import Tensor

from nnreport.facts import Range

ELEMENTS = 4096
"""Elements looked at in a tensor."""
ROWS = 256
"""Tensors whose statistics are taken together."""
COPY = 1 << 22
"""Elements of a tensor with gaps in memory up to which it is laid out anew for sampling; larger ones are thinned first."""


class Sampler:
    """Takes samples of tensors, gives ranges.

    Args:
        batch: size of the leading axis where it is the batch; None where there is none. With 2 or more, tensors whose leading
            axis has this size are sampled at the same features in every sample, and get a spread.
    """

    def __init__(self, batch: int | None) -> None:
        self.batch = batch if batch and 2 <= batch <= ELEMENTS // 16 else 1
        self.features = ELEMENTS // self.batch
        self.ranges: list[Range | None] = []
        self.spreads: list[float | None] = []
        self.buffer = torch.empty((ROWS, self.batch, self.features), dtype=torch.float64)
        self.taken: list[tuple[int, int, bool]] = []
        """Per waiting row: (its index in ``ranges``, elements per sample, it has a batch axis)."""

    def take(self, tensor: Tensor) -> int:
        """Index of the tensor's range in :attr:`ranges`, or -1 where it cannot be read."""
        try:
            with torch._C._DisableTorchDispatch(), torch.no_grad():
                return self.copy(tensor)
        except Exception:  # sparse, quantised, meta, wrapped by vmap …: no range is better than none of the graph
            return -1

    def copy(self, tensor: Tensor) -> int:
        count = tensor.numel()
        if count == 0 or tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type == "meta":
            return -1
        tensor = tensor.detach()
        if tensor.is_complex():
            tensor = tensor.abs()
        row = self.buffer[len(self.taken)]
        grid = self.batch > 1 and tensor.dim() > 0 and tensor.shape[0] == self.batch
        if not tensor.is_contiguous() and count > COPY:
            tensor = thinned(tensor, keep_first=grid)
            count = tensor.numel()
        if grid:
            flat = tensor.reshape(self.batch, count // self.batch)
            step = stride_for(flat.shape[1], self.features)
            picked = flat[:, ::step][:, : self.features]
            kept = picked.shape[1]
            row[:, :kept].copy_(picked)
        else:
            flat = tensor.reshape(-1)
            step = stride_for(count, ELEMENTS)
            picked = flat[::step][:ELEMENTS]
            kept = picked.shape[0]
            row.view(-1)[:kept].copy_(picked)
        index = len(self.ranges)
        self.ranges.append(None)
        self.spreads.append(None)
        self.taken.append((index, kept, grid))
        if len(self.taken) == ROWS:
            self.flush()
        return index

    def flush(self) -> None:
        """Turns the waiting samples into ranges."""
        if not self.taken:
            return
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            self.reduce()
        self.taken.clear()

    def reduce(self) -> None:
        rows = len(self.taken)
        data = self.buffer[:rows]
        grids = [i for i, (_, _, grid) in enumerate(self.taken) if grid]
        kept = torch.tensor([k if grid else 0 for _, k, grid in self.taken])
        flat = torch.tensor([k if not grid else 0 for _, k, grid in self.taken])
        is_grid = (kept > 0)[:, None, None]
        by_feature = torch.arange(self.features)[None, None, :] < kept[:, None, None]
        by_element = torch.arange(ELEMENTS // self.batch * self.batch).view(1, self.batch, self.features) < flat[:, None, None]
        valid = torch.where(is_grid, by_feature, by_element)
        total = valid.sum((1, 2))
        nan = (data.isnan() & valid).sum((1, 2))
        infinite = (data.isinf() & valid).sum((1, 2))
        zeros = ((data == 0) & valid).sum((1, 2))
        finite = data.isfinite() & valid
        count = finite.sum((1, 2)).clamp(min=1)
        values = torch.where(finite, data, 0.0)
        mean = values.sum((1, 2)) / count
        variance = ((values - mean[:, None, None]) ** 2 * finite).sum((1, 2)) / count
        low = torch.where(finite, data, torch.inf).amin((1, 2))
        high = torch.where(finite, data, -torch.inf).amax((1, 2))
        columns = [low, high, mean, variance.sqrt(), zeros / total, nan.double(), infinite.double(), total.double()]
        table = torch.stack(columns, 1).tolist()
        spread: list[float] = []
        if grids:
            deviation = values.std(dim=1, unbiased=False)
            rms = (mean**2 + variance).sqrt()
            spread = (deviation.sum(1) / kept.clamp(min=1) / rms.clamp(min=1e-300)).tolist()
        for i, (index, _, grid) in enumerate(self.taken):
            lowest, highest, average, std, zero, nans, infs, seen = table[i]
            if seen == nans + infs:
                lowest = highest = average = std = 0.0
            self.ranges[index] = Range(
                minimum=lowest, maximum=highest, mean=average, std=std, zeros=zero, nan=int(nans), inf=int(infs), count=int(seen)
            )
            if grid and not nans and not infs:
                self.spreads[index] = spread[i]

    def range(self, index: int) -> Range | None:
        return self.ranges[index] if index >= 0 else None

    def spread(self, index: int) -> float | None:
        return self.spreads[index] if index >= 0 else None


def stride_for(count: int, wanted: int) -> int:
    """A step through ``count`` elements that takes about ``wanted`` and shares no factor with ``count``, so that it falls on
    every channel and column alike."""
    if count <= wanted:
        return 1
    step = -(-count // wanted)
    while gcd(step, count) != 1:
        step += 1
    return step


def thinned(tensor: Tensor, keep_first: bool) -> Tensor:
    """Every second element of the longest axes until it is small enough to lay out anew."""
    while tensor.numel() > COPY:
        sizes: list[Any] = list(tensor.shape)
        if keep_first:
            sizes[0] = 0
        axis = max(range(len(sizes)), key=sizes.__getitem__)
        index = [slice(None)] * tensor.dim()
        index[axis] = slice(None, None, 2)
        tensor = tensor[tuple(index)]
        if tensor.shape[axis] <= 1:
            break
    return tensor


def range_of(tensor: Tensor) -> Range | None:
    """The range of one tensor."""
    sampler = Sampler(None)
    index = sampler.take(tensor)
    sampler.flush()
    return sampler.range(index)
