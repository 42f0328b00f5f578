"""Statistics of activations in observed steps, from strided samples, fused over all layers of equal sample shape."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import ActivationSeries, number
from nnreport.inspector.training.activations import RAILS, rails_share
from nnreport.inspector.training.watch import Key, Seen, Watch

ROWS = 32
"""Samples of the batch that are looked at, at most."""
ELEMENTS = 2048
"""Elements of one output that are looked at, at most."""
FIRST_STEPS = 3
SPREAD_STEPS = 8


def observed_steps(steps: int) -> list[int]:
    """The first three steps and about eight more, evenly through to the last."""
    if steps <= FIRST_STEPS + SPREAD_STEPS:
        return list(range(steps))
    span = steps - 1 - FIRST_STEPS
    later = {FIRST_STEPS + round(i * span / (SPREAD_STEPS - 1)) for i in range(SPREAD_STEPS)}
    return sorted({*range(FIRST_STEPS), *later})


@lru_cache(maxsize=4096)
def thin(shape: tuple[int, ...], rows: bool) -> tuple[slice, ...]:
    """Slices that take at most :data:`ELEMENTS` elements of a tensor, evenly; a view, whatever its layout.

    With ``rows`` the leading axis is the batch: its first :data:`ROWS` entries are taken whole.
    """
    counts, steps = list(shape), [1] * len(shape)
    if rows:
        counts[0] = min(counts[0], ROWS)
    free = range(1, len(shape)) if rows else range(len(shape))
    while torch.Size(counts).numel() > ELEMENTS and any(counts[i] > 1 for i in free):
        longest = max(free, key=lambda i: counts[i])
        steps[longest] *= 2
        counts[longest] = max(1, shape[longest] // steps[longest])
    return tuple(
        slice(0 if s == 1 else s // 2, s // 2 * (s > 1) + (c - 1) * s + 1, s) for c, s in zip(counts, steps, strict=True)
    )


class ActivationObserver:
    """Gathers series of all activations; enter :attr:`watch` around a step, then call :meth:`end_step`."""

    def __init__(self, model: nn.Module, batch: int | None, functional: bool = True) -> None:
        self.batch = batch
        self.watch = Watch(model, self.take, functional=functional)
        self.series: dict[Key, ActivationSeries] = {}
        self.samples: dict[tuple[tuple[int, ...], bool], list[tuple[Key, Tensor]]] = defaultdict(list)

    def take(self, seen: Seen) -> None:
        """Keeps a sample of one output (a copy: what follows may change it in place)."""
        value = seen.value
        key = seen.key
        if key not in self.series:
            self.series[key] = ActivationSeries(module=key.module, node=key.node, kind=seen.kind, nth=key.nth)
        rows = self.batch is not None and self.batch > 1 and value.dim() > 1 and value.shape[0] == self.batch
        if value.dim():
            value = value[thin(tuple(value.shape), rows)]
        value = value.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        sample = value.view(value.shape[0], -1) if rows else value.view(1, -1)
        self.samples[(tuple(sample.shape), rows)].append((key, sample))

    def end_step(self) -> None:
        """Computes the statistics of this step's samples and appends them to the series."""
        for key, place in self.watch.locations.items():
            if key in self.series:
                self.series[key].location = place
        for (_, rows), kept in self.samples.items():
            table = statistics(torch.stack([sample for _, sample in kept]), rows)
            for (key, _), numbers in zip(kept, table, strict=True):
                append(self.series[key], numbers, rows)
        self.rails()
        self.samples.clear()

    def rails(self) -> None:
        """The share at the rails, for the kinds that have some."""
        for kept in self.samples.values():
            for kind in RAILS:
                chosen = [(key, sample) for key, sample in kept if self.series[key].kind == kind]
                if chosen:
                    shares = rails_share(kind, torch.stack([sample.flatten() for _, sample in chosen])).tolist()
                    for (key, _), share in zip(chosen, shares, strict=True):
                        self.series[key].rails.append(share)

    def drop_step(self) -> None:
        """Forgets this step's samples: it failed, or is run again."""
        self.samples.clear()


def statistics(samples: Tensor, rows: bool) -> list[list[float]]:
    """[std, mean, largest absolute value, share of zeros, spread] of each (rows, columns) matrix of a (M, rows, columns) stack.

    Spread is the difference between samples: the std over the rows, rms over the columns, over the rms of all.
    """
    flat = samples.flatten(1)
    mean = flat.mean(1)
    variance = (flat - mean.unsqueeze(1)).square_().mean(1)  # torch.var is ten times slower
    largest = flat.abs().amax(1)
    zeros = (flat == 0).sum(1) / flat.shape[1]
    if rows:
        square = variance + mean * mean
        between = (samples - samples.mean(1, keepdim=True)).square_().mean((1, 2))
        spread = torch.where(square > 0, (between / square).sqrt(), 0.0)
    else:
        spread = torch.zeros_like(mean)
    return torch.stack([variance.sqrt(), mean, largest, zeros, spread], 1).tolist()


def append(series: ActivationSeries, numbers: list[float], rows: bool) -> None:
    deviation, mean, largest, zeros, spread = numbers
    series.std.append(number(deviation))
    series.mean.append(number(mean))
    series.maximum.append(number(largest))
    series.zeros.append(zeros)
    if rows:
        series.spread.append(number(spread))


def batch_of(batch: Any) -> int | None:
    """The leading axis that all tensor inputs share; None if they do not."""
    from nnreport.inspector.training.outputs import named_tensors

    sizes = {t.shape[0] for _, t in named_tensors((batch.args, batch.kwargs)) if t.dim()}
    return sizes.pop() if len(sizes) == 1 else None
