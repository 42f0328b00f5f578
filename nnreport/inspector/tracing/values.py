"""What tensors held, from samples of them: ranges, and how far the samples of a batch differ.

Copying 4,096 elements costs microseconds; the statistics of some hundred tensors are then taken in one go. So a range costs some
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
ROWS = 128
"""Tensors whose statistics are taken together."""
SMALL = 16
"""Tensors of at most a 16th of the elements are kept apart from larger ones: a table is as wide as its widest row."""
COPY = 1 << 22
"""Elements of a tensor with gaps in memory up to which it is laid out anew for sampling; larger ones are thinned first."""
LARGEST = torch.finfo(torch.float32).max


class Table:
    """Samples that wait for their statistics: rows of (batch, features) in float32, padded."""

    def __init__(self, batch: int, features: int) -> None:
        self.batch, self.features = batch, features
        self.buffer = torch.empty((ROWS, batch, features))
        self.taken: list[tuple[int, int, bool]] = []
        """Per row: (index of its range, elements per sample or in all, it has a batch axis)."""


class Sampler:
    """Takes samples of tensors, gives ranges.

    Args:
        batch: size of the leading axis where it is the batch; None where there is none. With 2 or more, tensors whose leading
            axis has this size are sampled at the same features in every sample, and get a spread.
    """

    def __init__(self, batch: int | None) -> None:
        self.batch = batch if batch and 2 <= batch <= ELEMENTS // 64 else 1
        self.features = ELEMENTS // self.batch
        self.ranges: list[Range | None] = []
        self.spreads: list[float | None] = []
        self.tables = [Table(self.batch, max(1, self.features // SMALL)), Table(self.batch, self.features)]

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
        grid = self.batch > 1 and tensor.dim() > 0 and tensor.shape[0] == self.batch
        if not tensor.is_contiguous() and count > COPY:
            tensor = thinned(tensor, keep_first=grid)
            count = tensor.numel()
        if grid:
            flat = tensor.reshape(self.batch, count // self.batch)
            picked = flat[:, :: stride_for(flat.shape[1], self.features)][:, : self.features]
            kept = width = picked.shape[1]
        else:
            picked = tensor.reshape(-1)[:: stride_for(count, ELEMENTS)][:ELEMENTS]
            kept = picked.shape[0]
            width = -(-kept // self.batch)
        if picked.dtype is torch.float64:  # float32 holds no more, and what is finite must stay so
            picked = torch.where(picked.isfinite(), picked.clamp(-LARGEST, LARGEST), picked)
        table = self.tables[0] if width <= self.tables[0].features else self.tables[1]
        row = table.buffer[len(table.taken)]
        if grid:
            row[:, :kept].copy_(picked)
        else:
            row.view(-1)[:kept].copy_(picked)
        index = len(self.ranges)
        self.ranges.append(None)
        self.spreads.append(None)
        table.taken.append((index, kept, grid))
        if len(table.taken) == ROWS:
            self.reduce(table)
        return index

    def flush(self) -> None:
        """Turns the waiting samples into ranges."""
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            for table in self.tables:
                if table.taken:
                    self.reduce(table)

    def reduce(self, table: Table) -> None:
        rows = len(table.taken)
        data = table.buffer[:rows]
        grids = torch.tensor([grid for _, _, grid in table.taken])
        kept = torch.tensor([kept for _, kept, _ in table.taken])
        position = torch.arange(table.batch * table.features).view(table.batch, table.features)
        feature = torch.arange(table.features).expand(table.batch, table.features)
        valid = torch.where(grids[:, None, None], feature, position) < kept[:, None, None]
        finite = data.isfinite() & valid
        total = valid.sum((1, 2))
        nan = (data.isnan() & valid).sum((1, 2))
        count = finite.sum((1, 2))
        infinite = total - count - nan
        values = torch.where(finite, data, 0.0)
        zeros = total - values.count_nonzero((1, 2)) - nan - infinite
        divisor = count.clamp(min=1).double()
        mean = values.sum((1, 2), dtype=torch.float64) / divisor
        away = torch.where(finite, data.double() - mean[:, None, None], 0.0)  # the square of a mask's -3e38 is finite in float64
        variance = (away * away).sum((1, 2), dtype=torch.float64) / divisor
        low = torch.where(finite, data, torch.inf).amin((1, 2))
        high = torch.where(finite, data, -torch.inf).amax((1, 2))
        columns = [
            low.double(),
            high.double(),
            mean,
            variance.sqrt(),
            zeros / total,
            nan.double(),
            infinite.double(),
            total.double(),
        ]
        numbers = torch.stack(columns, 1).tolist()
        spread: list[float] = []
        if table.batch > 1:
            apart = values.double()
            apart -= apart.mean(1, keepdim=True)
            deviation = (apart * apart).mean(1).sqrt().sum(1) / kept
            spread = (deviation / (mean**2 + variance).sqrt().clamp(min=1e-300)).tolist()
        for i, (index, _, grid) in enumerate(table.taken):
            lowest, highest, average, std, zero, nans, infs, seen = numbers[i]
            if seen == nans + infs:
                lowest = highest = average = std = 0.0
            self.ranges[index] = Range(
                minimum=lowest, maximum=highest, mean=average, std=std, zeros=zero, nan=int(nans), inf=int(infs), count=int(seen)
            )
            if grid and not nans and not infs:
                self.spreads[index] = spread[i]
        table.taken.clear()

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
