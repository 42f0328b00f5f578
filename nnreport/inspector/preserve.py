"""Global state, put back: what runs the user's code leaves Python, NumPy and torch as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from nnreport.inspector.seeding import seeded


@contextmanager
def preserved(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Random generators (seeded inside), gradient mode (on inside), default dtype, anomaly mode, and attention's fast path (off
    inside, so that a ``TransformerEncoder`` in eval mode runs what it is written to run) are as before afterwards."""
    dtype = torch.get_default_dtype()
    anomaly = torch.is_anomaly_enabled()
    with ExitStack() as stack:
        stack.enter_context(seeded(seed, device))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(fast_path_off())
        stack.enter_context(eager())
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_anomaly_enabled(anomaly)


@contextmanager
def fast_path_off() -> Iterator[None]:
    backend: Any = getattr(torch.backends, "mha", None)
    if backend is None:
        yield
        return
    before = backend.get_fastpath_enabled()
    backend.set_fastpath_enabled(False)
    try:
        yield
    finally:
        backend.set_fastpath_enabled(before)


@contextmanager
def eager() -> Iterator[None]:
    """Compiled modules run as written. Only where the user has loaded the compiler: loading it takes seconds."""
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
