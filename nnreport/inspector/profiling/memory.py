"""Bytes: what a model holds, what a step saves for its backward pass, what it needs at its worst moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Address -> bytes of the distinct storages behind ``tensors``."""
    found: dict[int, int] = {}
    for tensor in tensors:
        for part in parts_of(tensor):
            try:
                storage = part.untyped_storage()
                found[storage.data_ptr()] = storage.nbytes()
            except (RuntimeError, NotImplementedError):
                continue
    return found


def parts_of(tensor: Tensor) -> list[Tensor]:
    """The dense tensors that a sparse one is made of; else itself."""
    if tensor.layout == torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    return [tensor]


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of the distinct storages."""
    return sum(storages(tensors).values())


def weights_of(model: nn.Module) -> list[Tensor]:
    """Parameters and buffers."""
    return [*model.parameters(), *model.buffers()]


def gradients_of(model: nn.Module) -> list[Tensor]:
    return [p.grad for p in model.parameters() if p.grad is not None]


def state_of(optimizer: Any) -> list[Tensor]:
    """Tensors that an optimizer keeps between steps."""
    found: list[Tensor] = []

    def collect(value: Any) -> None:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                collect(item)

    collect(dict(getattr(optimizer, "state", None) or {}))
    return found


class Saved:
    """Counts what a forward saves for the backward pass, without what is there anyway (weights, the batch)."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        self.known = set(storages(known))
        self.found: dict[int, int] = {}
        self.kept: list[Tensor] = []

    @contextmanager
    def counting(self) -> Iterator[Saved]:
        with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda packed: packed):
            yield self
        self.kept.clear()

    def pack(self, tensor: Tensor) -> Tensor:
        self.found.update(storages([tensor]))
        self.kept.append(tensor.detach())  # an address that is freed would be given out again
        return tensor

    @property
    def size(self) -> int:
        return sum(size for address, size in self.found.items() if address not in self.known)


def peak_reset(device: torch.device) -> int | None:
    """Starts a new peak of the accelerator's allocator; gives what is allocated now, or None where it does not say."""
    backend = getattr(torch, device.type, None)
    if device.type == "cpu" or not hasattr(backend, "max_memory_allocated"):
        return None
    backend.reset_peak_memory_stats(device)  # type: ignore[union-attr]
    return int(backend.memory_allocated(device))  # type: ignore[union-attr]


def peak_of(device: torch.device) -> int:
    """Peak of the accelerator's allocator since :func:`peak_reset`."""
    return int(getattr(torch, device.type).max_memory_allocated(device))
