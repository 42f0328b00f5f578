"""Gradients and updates of every trainable parameter, measured with fused operations over all of them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import ParameterSeries, number
from nnreport.inspector.weighing.statistics import SAMPLE, stride_for

SPARSE = 0.5
"""A gradient with more exact zeros than this (an embedding's) is sampled where it is not zero: elsewhere nothing moves."""


class ParameterObserver:
    """Series of all trainable parameters.

    Call :meth:`norm` after each backward, and in observed steps :meth:`before` and :meth:`after` around the update.
    """

    def __init__(self, model: nn.Module) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        self.series = [ParameterSeries(name=n) for n, _ in named]
        self.places: dict[int, Tensor] = {}
        self.views: dict[int, tuple[int, Tensor]] = {}
        self.weights: list[Tensor] = []
        self.tensors: list[Tensor] = []
        self.with_gradient: list[int] = []

    def norm(self) -> float:
        """Norm of the whole gradient; keeps the norms of its parts for :meth:`before`."""
        self.with_gradient = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        gradients = [dense(self.parameters[i].grad) for i in self.with_gradient]
        if not gradients:
            self.tensors = []
            return 0.0
        self.tensors = norms(gradients)
        if len({t.dtype for t in self.tensors}) > 1:
            self.tensors = [t.float() for t in self.tensors]
        self.stacked = torch.stack(self.tensors)
        return float(torch.linalg.vector_norm(self.stacked.double() if self.stacked.device.type != "mps" else self.stacked))

    def before(self) -> None:
        """After :meth:`norm`, before the update: the gradients' statistics, and a sample of the weights."""
        values = dict(zip(self.with_gradient, self.stacked.tolist() if self.with_gradient else [], strict=True))
        for i, (parameter, series) in enumerate(zip(self.parameters, self.series, strict=True)):
            series.steps += 1
            norm = values.get(i)
            if norm is None:
                series.none_steps += 1
                series.gradient.append(0.0)
                continue
            series.zero_steps += norm == 0
            series.gradient.append(number(norm / math.sqrt(max(parameter.numel(), 1))))
            if i not in self.places and parameter.numel() > SAMPLE and not parameter.grad.is_sparse:  # type: ignore[union-attr]
                self.find_places(i, parameter)
        self.weights = [self.sample(i).clone() for i in range(len(self.parameters))]

    def find_places(self, i: int, parameter: Tensor) -> None:
        """Where a large parameter is sampled, if its gradient is mostly zero."""
        assert parameter.grad is not None
        gradient = parameter.grad.reshape(-1)
        sample = gradient[:: stride_for(gradient.numel(), parameter.shape[-1])]
        self.places[i] = torch.empty(0, dtype=torch.long)
        if float((sample == 0).float().mean()) > SPARSE:
            moved = gradient.nonzero().flatten()
            if moved.numel():
                self.places[i] = moved[:: max(1, moved.numel() // SAMPLE)][:SAMPLE]

    def sample(self, i: int) -> Tensor:
        """The sampled elements of parameter ``i``, always the same ones."""
        parameter = self.parameters[i]
        known = self.views.get(i)
        if known is not None and known[0] == parameter.data_ptr():
            return known[1]
        places = self.places.get(i)
        sample = self.look_up(parameter.detach(), places)
        if places is None or not places.numel():
            self.views[i] = parameter.data_ptr(), sample
        return sample

    def look_up(self, parameter: Tensor, places: Tensor | None) -> Tensor:
        flat = parameter.reshape(-1) if parameter.is_contiguous() else memory_order(parameter)
        if flat.numel() <= SAMPLE:
            return flat
        if places is not None and places.numel():
            return parameter.reshape(-1)[places]
        return flat[:: stride_for(flat.numel(), parameter.shape[-1])]

    def after(self) -> None:
        """After the update: how far the sampled weights moved, over their norm."""
        now = [self.sample(i) for i in range(len(self.parameters))]
        moved = norms(list(torch._foreach_sub(now, self.weights))) if now else []
        were = norms(self.weights) if now else []
        for series, step, weight in zip(self.series, tolist(moved), tolist(were), strict=True):
            series.update.append(number(step / weight) if weight else 0.0)
        self.weights = []


def tolist(values: list[Tensor]) -> list[float]:
    return torch.stack([v.float() for v in values]).tolist() if values else []


def dense(gradient: Any) -> Tensor:
    """The gradient's values; of a sparse one those that are there."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def norms(tensors: list[Tensor]) -> list[Tensor]:
    """Norm of each tensor, half precision summed in float32."""
    half = [t.dtype in (torch.float16, torch.bfloat16) for t in tensors]
    if any(half):
        tensors = [t.float() if h else t for t, h in zip(tensors, half, strict=True)]
    return list(torch._foreach_norm(tensors))


def memory_order(tensor: Tensor) -> Tensor:
    """A dense tensor of any layout as a flat view; a copy where that cannot be."""
    try:
        if torch.ops.aten.is_non_overlapping_and_dense(tensor):
            return tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
    except (RuntimeError, AttributeError):
        pass
    return tensor.reshape(-1)
