"""Synthetic batches: noise like the given inputs, wide enough for statistics, narrow enough to train on here."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import DataInfo, Failure
from nnreport.inspector.clone import CloneError, clone
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.feeding.data import SEED_STEP, described
from nnreport.inspector.feeding.inputs import Sample
from nnreport.inspector.feeding.nested import map_tensors
from nnreport.inspector.seeding import seeded

WIDE = 16
"""Samples in a batch, where the model takes so many: fewer make per-unit statistics meaningless."""
MOST_PRODUCTS = 32e9
"""Multiplications of one forward beyond which a batch is not widened on a CPU: a train step on them takes some seconds there, and
thirty steps the whole time-out. Counted, not timed, so that two runs agree."""
_MOST_ELEMENTS = 1 << 27
"""Elements of all inputs together, likewise (half a GB in float32)."""


class SyntheticData:
    """Noise like the given inputs; the task makes the targets."""

    user = False

    def __init__(self, sample: Sample, batch: int | None, seed: int, model: nn.Module, remark: str = "") -> None:
        self.failure: Failure | None = None
        self._sample = sample
        self._batch = batch
        self._seed = seed
        wide = sample if batch is None or batch == sample.batch else sample.widened(batch, seed)
        self.first = Batch(wide.args, wide.kwargs)
        source = f"noise like the given input{remark}"
        self.info = DataInfo(
            source=source if sample.tensors() else "no input",
            batch=wide.batch or self.first.size,
            given_batch=sample.batch or 0,
            batches_seen=1,
            inputs=described(model, self.first, "noise like the given input") if wide is not sample else sample.specs,
        )

    def fresh(self, i: int) -> Batch:
        """New noise of the same size."""
        sample = self._sample.widened(self._batch or 0, self._seed + SEED_STEP * (i + 1))
        return Batch(sample.args, sample.kwargs)


def make_synthetic(sample: Sample, model: nn.Module, seed: int) -> SyntheticData:
    """The batch is 16 or what was given, if that is more; less only where a copy's train-mode forward fails on so many, or where
    it would be too slow (see :data:`MOST_PRODUCTS`); then the report says so."""
    given = sample.batch
    if given is None or given >= WIDE:
        return SyntheticData(sample, given, seed, model)
    try:
        copied = clone(model)
    except CloneError:
        return SyntheticData(sample, given, seed, model)
    products = _products(copied, sample, seed) / given
    copied.train()
    elements = sum(tensor.numel() for _, tensor in sample.tensors()) / given
    on_cpu = next(model.parameters(), torch.empty(0)).device.type == "cpu"
    for batch in (WIDE, WIDE // 2, WIDE // 4, WIDE // 8):
        if batch <= given:
            break
        if batch * elements > _MOST_ELEMENTS or (on_cpu and batch * products > MOST_PRODUCTS):
            continue
        if _runs(copied, sample.widened(batch, seed), seed):
            remark = f" (batch {batch}: more would be slow here)" if batch < WIDE else ""
            return SyntheticData(sample, batch, seed, model, remark)
        break
    return SyntheticData(sample, given, seed, model)


def _runs(copied: nn.Module, sample: Sample, seed: int) -> bool:
    try:
        _forward(copied, sample, seed)
    except Exception:
        return False
    return True


def _forward(copied: nn.Module, sample: Sample, seed: int) -> None:
    args, kwargs = map_tensors((sample.args, sample.kwargs), torch.clone)
    with seeded(seed), torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
        copied(*args, **kwargs)


def _products(copied: nn.Module, sample: Sample, seed: int) -> float:
    """Multiplications of linear, convolutional and recurrent layers in one forward, a lower bound of all; 0 where it fails.

    In eval mode: one sample is often too few for a BatchNorm in training.
    """
    counted = [0.0]
    copied.eval()

    def count(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.RNNBase):
            steps = given[0].numel() / module.input_size if given and isinstance(given[0], Tensor) else 0
            counted[0] += steps * sum(weight.numel() for weight in module.parameters())
        elif isinstance(output, Tensor) and (weight := getattr(module, "weight", None)) is not None and weight.dim() >= 2:
            transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
            places = given[0].numel() / weight.shape[0] if transposed else output.numel() / weight.shape[0]
            counted[0] += places * weight.numel()

    kinds = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase)
    hooks = [module.register_forward_hook(count) for module in copied.modules() if isinstance(module, kinds)]
    works = _runs(copied, sample, seed)
    for hook in hooks:
        hook.remove()
    return counted[0] if works else 0.0
