"""Random numbers that are the same every time, and the user's own left where they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Python's, NumPy's (if imported) and torch's generators start at ``seed`` inside, and go on as before outside."""
    numpy: Any = sys.modules.get("numpy")
    before = random.getstate(), numpy.random.get_state() if numpy else None
    with torch.random.fork_rng(devices=accelerator(device), enabled=True):
        try:
            random.seed(seed)
            if numpy:
                numpy.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(before[0])
            if numpy and before[1] is not None:
                numpy.random.set_state(before[1])


def accelerator(device: torch.device | str) -> list[int]:
    """The CUDA devices whose generators a run on ``device`` moves."""
    device = torch.device(device)
    return [device.index or 0] if device.type == "cuda" else []


def random_state(device: torch.device | str) -> tuple[Any, ...]:
    """Where all generators stand, for :func:`restore_random`."""
    numpy: Any = sys.modules.get("numpy")
    cuda = torch.cuda.get_rng_state(device) if torch.device(device).type == "cuda" else None
    return random.getstate(), numpy.random.get_state() if numpy else None, torch.get_rng_state(), cuda


def restore_random(state: tuple[Any, ...], device: torch.device | str) -> None:
    """Puts all generators back to where :func:`random_state` found them."""
    numpy: Any = sys.modules.get("numpy")
    random.setstate(state[0])
    if numpy and state[1] is not None:
        numpy.random.set_state(state[1])
    torch.set_rng_state(state[2])
    if state[3] is not None:
        torch.cuda.set_rng_state(state[3], device)
