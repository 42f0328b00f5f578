"""Noise for the model's inputs: as --input asks for it, or like values that were given."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnreport.inputspec import Interval

_POSITIONS_MIN = 3


@dataclass(frozen=True)
class Recipe:
    """How an input is drawn. Without ``interval``: floats are standard normal, integers 0 or 1, booleans a coin's."""

    dtype: str
    interval: Interval | None = None

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        """A fresh tensor on the CPU."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        if self.dtype == "bool":
            return torch.rand(shape, generator=generator) < 0.5
        if not (dtype.is_floating_point or dtype.is_complex):
            low, high = (int(self.interval.low), int(self.interval.high)) if self.interval else (0, 1)
            wide = torch.int64
            if high >= 2**63 - 1:  # only uint64 reaches beyond; randint's end is exclusive
                high = 2**63 - 2
            return torch.randint(low, high + 1, shape, generator=generator, dtype=wide).to(dtype)
        if dtype.is_complex:
            return torch.complex(self._floats(shape, generator), self._floats(shape, generator)).to(dtype)
        # half and 8-bit types have no generators everywhere: drawn in float32 (float64 for float64), then cast
        wide = torch.float64 if dtype is torch.float64 else torch.float32
        return self._floats(shape, generator, wide).to(dtype)

    def _floats(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        if self.interval is None:
            return torch.randn(shape, generator=generator, dtype=dtype)
        low, high = self.interval.low, self.interval.high
        return torch.rand(shape, generator=generator, dtype=dtype) * (high - low) + low


def redraw(given: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Noise like the given tensor, whose axes are ``shape``'s but for the first: valid where the given one was.

    * constant (a mask of ones): the same constant;
    * rows that are all equal (position ids), or a mask of 0 and 1: the given rows, repeated;
    * other integers (tokens): at each place a value of some given row; of a single row, any of its values;
    * floats: mixtures of two given rows; of a single row, its values in another order.
    """
    if given.is_meta or given.numel() == 0 or given.layout is not torch.strided:
        return given
    source = given.detach()
    device = source.device
    source = source.cpu()
    flat = source.flatten()
    rows = source.shape[0] if source.dim() and len(shape) == source.dim() else 0
    if bool((flat == flat[0]).all()):
        return flat[0].expand(shape).clone().to(device)
    if rows and _keeps_rows(source):
        return source[torch.arange(shape[0]) % rows].to(device)
    if not (source.is_floating_point() or source.is_complex()):
        if rows >= 2:  # at each place a value that stands there in some row: an end-of-text token stays the last
            chosen = torch.randint(rows, shape, generator=generator)
            return source.gather(0, chosen).to(device)
        return flat[torch.randint(flat.numel(), shape, generator=generator)].to(device)
    if rows >= 2:
        chosen = torch.randint(rows, (shape[0],), generator=generator)
        first = source[chosen]
        second = source[(chosen + torch.randint(1, rows, (shape[0],), generator=generator)) % rows]
        share = torch.rand((shape[0],) + (1,) * (source.dim() - 1), generator=generator)
        mixed = torch.lerp(first.float(), second.float(), share) if not source.is_complex() else first
        return mixed.to(source.dtype).to(device)
    return flat[torch.randint(flat.numel(), shape, generator=generator)].to(device)


def _keeps_rows(source: torch.Tensor) -> bool:
    """Rows that mean something by their order: position ids, and masks of 0 and 1."""
    if source.dtype is torch.bool:
        return True
    if source.is_floating_point() or source.is_complex():
        return bool(((source == 0) | (source == 1)).all())
    if bool(((source == 0) | (source == 1)).all()):
        return True
    if source.dim() >= 2 and source.shape[0] >= 2:
        return bool((source == source[:1]).all())
    # one row 0, 1, 2, 3 …
    return source.shape[-1] >= _POSITIONS_MIN and bool((source.diff(dim=-1) == 1).all())
