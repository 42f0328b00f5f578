"""Every parameter and buffer in numbers, with no second copy of the model."""

from __future__ import annotations

import contextlib
import hashlib
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nnreport.facts import Histogram, Weights, WeightStats
from nnreport.inspector.weighing.moments import Moments, moments_of
from nnreport.inspector.weighing.rank import RANK_BUDGET, effective_rank, identical_rows, rank_cost, zero_rows

_WHOLE = 1 << 14
"""Elements up to which a digest covers every byte; beyond, an even sample of a quarter as many and the moments."""


@dataclass(frozen=True)
class Named:
    """A tensor and what is known of where it belongs."""

    name: str
    tensor: Tensor
    kind: Literal["parameter", "buffer"] = "parameter"
    swapped: bool = False
    """The leading axis is the input (a transposed convolution, GPT-2's Conv1D)."""


def read_weights(model: nn.Module, fresh: bool = True) -> Weights:
    """Statistics of all parameters and buffers, tied ones once, in ``named_parameters()`` order, then buffers.

    ``fresh``: False where the weights were loaded. It is also found out: a model that has counted training batches, or that
    was made ``from_pretrained``, is not fresh.
    """
    stats = weight_stats(_named(model))
    steps = _steps(model)
    pretrained = bool(getattr(getattr(model, "config", None), "_name_or_path", ""))
    return Weights(stats=stats, fresh=fresh and not steps and not pretrained, steps=steps)


def _named(model: nn.Module) -> Iterable[Named]:
    owners = dict(model.named_modules())
    for name, parameter in model.named_parameters():
        owner = owners.get(name.rpartition(".")[0])
        yield Named(name, parameter, "parameter", _is_swapped(owner))
    for name, buffer in model.named_buffers():
        yield Named(name, buffer, "buffer")


def _is_swapped(owner: nn.Module | None) -> bool:
    if isinstance(owner, nn.modules.conv._ConvTransposeNd):
        return True
    return type(owner).__name__ == "Conv1D" and hasattr(owner, "nf")  # transformers' linear layer with [in, out] weights


def _steps(model: nn.Module) -> int | None:
    counted = [
        int(buffer)
        for name, buffer in model.named_buffers()
        if name.rpartition(".")[2] == "num_batches_tracked" and buffer is not None and not buffer.is_meta and buffer.numel() == 1
    ]
    return max(counted, default=None)


def weight_stats(named: Iterable[Named]) -> list[WeightStats]:
    """One pass over each tensor in turn; ranks as far as their common budget goes, in order."""
    budget = RANK_BUDGET
    found = []
    with _one_thread():
        for each in named:
            stats = stats_of(each)
            if each.kind == "parameter" and stats.histogram is not None and each.tensor.is_floating_point():
                cost = rank_cost(each.tensor.shape)
                if cost <= budget:
                    budget -= cost
                    stats.effective_rank = effective_rank(each.tensor) if not (stats.nan or stats.inf) else None
            found.append(stats)
    return found


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of short operations gain little from threads, and on a busy machine their barriers cost thirty times the work
    (measured: 124 M weights on two cores under a load of ten take 60 s with two threads, 2 s with one)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def stats_of(each: Named) -> WeightStats:
    """Of one tensor, its rank left out."""
    owner = each.name.rpartition(".")[0]
    if nn.parameter.is_lazy(each.tensor):  # not made yet
        return WeightStats(name=each.name, shape=[], dtype=_dtype(each.tensor), module=owner, kind=each.kind)
    tensor = each.tensor.detach()
    moments = moments_of(tensor)
    stats = WeightStats(
        name=each.name,
        shape=[int(size) for size in tensor.shape],
        dtype=_dtype(tensor),
        module=owner,
        kind=each.kind,
        count=tensor.numel(),
        mean=moments.mean,
        std=moments.std,
        minimum=moments.minimum,
        maximum=moments.maximum,
        norm=moments.norm,
        zeros=moments.zeros,
        nan=moments.nan,
        inf=moments.inf,
    )
    if moments.bins:
        stats.histogram = Histogram(low=moments.low, high=moments.high, counts=moments.bins)
    if tensor.dim() >= 2:
        stats.fan_in, stats.fan_out = fans(tensor.shape, each.swapped)
        stats.rows = tensor.shape[0]
        if tensor.numel() and tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_quantized):
            row = tensor.numel() // tensor.shape[0]
            stats.zero_rows = zero_rows(tensor) if moments.zeros >= row else 0
            stats.identical_rows = identical_rows(tensor)
    if moments.count or moments.nan or moments.inf:
        stats.digest = digest(tensor, moments)
    return stats


def fans(shape: Sequence[int], swapped: bool = False) -> tuple[int, int]:
    """(fan in, fan out) as torch.nn.init counts them: the first two axes times the size of the kernel."""
    if len(shape) < 2:
        return 0, 0
    kernel = math.prod(shape[2:])
    fan_in, fan_out = int(shape[1]) * kernel, int(shape[0]) * kernel
    return (fan_out, fan_in) if swapped else (fan_in, fan_out)


def digest(tensor: Tensor, moments: Moments) -> str:
    """16 hex digits: equal for equal tensors of one shape and dtype; of large ones a sample and the moments of all are hashed."""
    hashed = hashlib.blake2b(f"{_dtype(tensor)}{tuple(tensor.shape)}".encode(), digest_size=8)
    numbers = (moments.mean, moments.squares, moments.minimum, moments.maximum)
    hashed.update(struct.pack("<4d3q", *numbers, moments.zeros, moments.nan, moments.inf))
    if tensor.layout is torch.strided and not tensor.is_quantized:
        flat = tensor.reshape(-1) if tensor.numel() <= _WHOLE else _sample(tensor, _WHOLE // 4)
        hashed.update(flat.contiguous().cpu().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def _sample(tensor: Tensor, count: int) -> Tensor:
    """An even sample by position in the tensor, without a flat copy of it."""
    places = torch.linspace(0, tensor.numel() - 1, count, dtype=torch.float64).long().to(tensor.device)
    index = []
    for size in reversed(tensor.shape):
        index.append(places % size)
        places = places // size
    return tensor[tuple(reversed(index))]


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
