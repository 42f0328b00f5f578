"""Statistics of one tensor, chunk by chunk: no second copy of it, whatever its size, type or layout.

The bounds of the histogram must be known before it is filled, so the values are read twice, each time a chunk that stays in the
processor's cache: first bounds, mean and centred sum of squares (joined over chunks by Chan's formula, exact to float32 rounding
without the cancellation of ``E[x²] - E[x]²``), then the bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

BINS = 64
_CHUNK = 1 << 16
"""Elements at a time on the CPU: 256 KB of float32."""
_DEVICE_CHUNK = 1 << 24
"""On an accelerator, where a call costs more than the memory."""


@dataclass
class Moments:
    """Over the finite elements; ``nan``, ``inf`` and ``zeros`` are counts over all."""

    count: int = 0
    """Finite elements seen."""
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared differences from the mean."""
    minimum: float = math.inf
    maximum: float = -math.inf
    zeros: int = 0
    nan: int = 0
    inf: int = 0
    low: float = 0.0
    high: float = 0.0
    bins: list[int] = field(default_factory=list)
    """64 counts between ``low`` and ``high``; empty where there is no finite element."""

    @property
    def std(self) -> float:
        """Over the population; exactly 0 where all are equal."""
        if self.minimum == self.maximum or not self.count:
            return 0.0
        return math.sqrt(max(0.0, self.squares / self.count))

    @property
    def norm(self) -> float:
        return math.sqrt(max(0.0, self.squares + self.count * self.mean * self.mean))

    def join(self, count: int, mean: float, squares: float, minimum: float, maximum: float) -> None:
        """Adds a chunk (Chan, Golub, LeVeque 1979)."""
        if not count:
            return
        total = self.count + count
        step = mean - self.mean
        self.squares += squares + step * step * self.count * count / total
        self.mean += step * count / total
        self.count = total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)


def moments_of(tensor: Tensor) -> Moments:
    """Of a tensor of any dtype and layout; an empty or valueless (meta, not yet made) one gives zero counts."""
    found = Moments()
    values, implicit = _values(tensor)
    if values is None:
        return found
    found.zeros = implicit
    if implicit:
        found.join(implicit, 0.0, 0.0, 0.0, 0.0)
    for chunk in _chunks(values):
        _add(found, chunk)
    if found.count:
        _fill_bins(found, values, implicit)
    else:
        found.minimum = found.maximum = 0.0
    return found


def _values(tensor: Tensor) -> tuple[Tensor | None, int]:
    """The stored values, and how many further ones are zeros that are not stored."""
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta or tensor.numel() == 0:
        return None, 0
    tensor = tensor.detach()
    if tensor.is_quantized:
        return tensor.dequantize(), 0
    if tensor.layout is torch.strided:
        return tensor, 0
    if tensor.layout is torch.sparse_coo:
        stored = tensor.coalesce().values()
    elif hasattr(tensor, "values"):
        stored = tensor.values()
    else:
        stored = tensor.to_dense()
    return stored, tensor.numel() - stored.numel()


def _chunks(tensor: Tensor) -> Iterator[Tensor]:
    """Flat pieces in float32 (float64 for float64 and wide integers); of complex numbers the absolute values."""
    size = _CHUNK if tensor.device.type == "cpu" else _DEVICE_CHUNK
    for piece in _pieces(tensor, size):
        if piece.dtype is torch.float32 or piece.dtype is torch.float64:
            yield piece
        elif piece.is_complex():
            yield piece.to(torch.complex64 if piece.dtype is not torch.complex128 else piece.dtype).abs()
        elif piece.is_floating_point() or piece.dtype is torch.bool or piece.element_size() <= 2:
            yield piece.to(torch.float32)
        else:
            yield piece.to(torch.float64)


def _pieces(tensor: Tensor, size: int) -> Iterator[Tensor]:
    if not tensor.is_contiguous() and tensor.dim() > 1:
        # a transposed tensor is contiguous in another order of axes, and the order does not matter here
        strides = tensor.stride()
        tensor = tensor.permute(sorted(range(tensor.dim()), key=lambda axis: -strides[axis]))
    if tensor.is_contiguous():
        yield from tensor.view(-1).split(size)
        return
    row = max(1, tensor.numel() // max(1, tensor.shape[0]))
    for rows in tensor.split(max(1, size // row)):
        if rows.numel() > size and rows.dim() > 1:
            yield from _pieces(rows[0], size)
        else:
            yield rows.reshape(-1)


def _add(found: Moments, chunk: Tensor) -> None:
    minimum, maximum = (float(bound) for bound in chunk.aminmax())
    if math.isfinite(minimum) and math.isfinite(maximum):
        finite = chunk
    else:
        found.nan += int(chunk.isnan().sum())
        found.inf += int(chunk.isinf().sum())
        finite = chunk[chunk.isfinite()]
        if not finite.numel():
            return
        minimum, maximum = (float(bound) for bound in finite.aminmax())
    count = finite.numel()
    if minimum <= 0 <= maximum:
        found.zeros += count - int(finite.count_nonzero())
    mean = float(finite.sum()) / count
    squares = _centred_squares(finite, mean) if math.isfinite(mean) else math.inf
    if not math.isfinite(squares):  # beyond float32's range
        finite = finite.double()
        mean = float((finite / count).sum())
        squares = _centred_squares(finite, mean)
    found.join(count, mean, squares, minimum, maximum)


def _centred_squares(values: Tensor, mean: float) -> float:
    centred = values - mean
    return float(torch.dot(centred, centred))


def _fill_bins(found: Moments, values: Tensor, implicit: int) -> None:
    low, high = found.minimum, found.maximum
    if low == high:  # one value: a unit around it, as numpy.histogram has it
        margin = 0.5 if abs(low) < 1e6 else abs(low) * 0.5
        low, high = low - margin, high + margin
    found.low, found.high = low, high
    counts = torch.zeros(BINS, dtype=torch.int64, device=values.device)
    scale = BINS / (high - low) if math.isfinite(high - low) else 0.0
    if not scale or not math.isfinite(scale):  # wider, or narrower, than a float can tell
        return
    clean = not (found.nan or found.inf)
    for chunk in _chunks(values):
        if not clean:
            chunk = chunk[chunk.isfinite()]
        places = torch.sub(chunk, low)
        places.mul_(scale).clamp_(0, BINS - 1)
        counts += torch.bincount(places.to(torch.uint8), minlength=BINS)
    found.bins = counts.tolist()
    if implicit:
        found.bins[min(BINS - 1, max(0, int((0.0 - low) * scale)))] += implicit
