"""Synthetic targets: what a copy is trained towards where the user gave no data.

A healthy network must be able to fit them in a few steps, else the verdict would be about our labels. So a vector of outputs
gets random labels to memorise, one a sample, but outputs with a place (pixels, tokens) get a fixed random *function of the input
at the same place*, which the network can compute: memorising white noise at every pixel is beyond healthy ones.
Everything follows from the seed, is valid for the loss (range, dtype) and balanced over the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nnreport.facts import TargetInfo
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.weighing.statistics import range_of

Kind = Literal[
    "classes", "binary", "signs", "noise", "input", "distribution", "multilabel", "counts", "sequence", "pixels", "scores"
]  # fmt: skip
MOST_CLASSES = 1000
"""Labels of integer targets are counted up to this many classes."""


@dataclass
class Recipe:
    """How to make targets for an output.

    Attributes:
        kind: what they are.
        axis: for ``classes``, ``multilabel`` and ``distribution``, the output's axis over which the classes lie.
        source: for ``input``, the key of the input that is the target.
        shifted: for tokens, the labels move one place to the right (the model compares output t with label t + 1).
    """

    kind: Kind
    axis: int = 1
    source: int | str = 0
    shifted: bool = False

    def make(self, shape: torch.Size, dtype: torch.dtype, batch: Any, seed: int) -> Tensor:
        """Targets for an output of ``shape``, on the CPU or the inputs' device.

        Args:
            shape: the output's.
            dtype: the output's, for targets that are compared with it as numbers.
            batch: its ``args`` and ``kwargs`` are the inputs.
            seed: of the random part.
        """
        generator = torch.Generator().manual_seed(seed)
        dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
        if self.kind == "input":
            return dict(inputs_of(batch))[self.source].detach().clone()
        axis = self.axis % len(shape) if len(shape) else 0
        if self.kind == "scores":
            return torch.randn(shape[0], generator=generator).to(dtype)
        if self.kind == "sequence":  # of CTC: shorter than the output, without its blank 0
            length = max(1, shape[1] // 4)
            return 1 + balanced(torch.Size([shape[0], length]), max(1, shape[axis] - 1), generator)
        if self.kind == "pixels":
            image = next((t for _, t in inputs_of(batch) if t.dim() == 4), None)
            labels = self.class_labels(shape, axis, batch, generator)
            if image is None or image.shape[2:] == shape[2:]:
                return labels
            return F.interpolate(labels.unsqueeze(1).float(), size=tuple(image.shape[2:])).squeeze(1).long()
        if self.kind == "classes":
            return self.class_labels(shape, axis, batch, generator)
        if self.kind == "multilabel":
            target = torch.full(tuple(shape), -1, dtype=torch.long)
            if len(shape):
                target.select(axis, 0).copy_(balanced(target.select(axis, 0).shape, shape[axis], generator))
            return target
        if self.kind == "counts":
            return torch.randint(0, 4, tuple(shape), generator=generator).to(dtype)
        if self.kind == "distribution":
            return torch.randn(tuple(shape), generator=generator).softmax(axis if len(shape) else 0).to(dtype)
        numbers = smooth_numbers(shape, batch, generator)
        if self.kind == "noise":
            return numbers.to(dtype)
        high = halves(numbers)
        return (high.to(dtype) * 2 - 1) if self.kind == "signs" else high.to(dtype)

    @property
    def words(self) -> str:
        """What the targets are, for the reader."""
        return WORDS[self.kind] if self.kind != "input" else f"input {self.source}"

    def class_labels(self, shape: torch.Size, axis: int, batch: Any, generator: torch.Generator) -> Tensor:
        """Class indices: the output's shape without its class axis."""
        if len(shape) == 0:
            return torch.zeros((), dtype=torch.long)
        classes = shape[axis]
        places = torch.Size([n for i, n in enumerate(shape) if i != axis])
        if len(places) < 2:
            return balanced(places, classes, generator)
        tokens = token_input(places, batch)
        if tokens is not None:
            table = balanced(torch.Size([int(tokens.max()) + 1]), classes, generator).to(tokens.device)
            labels = table[tokens.long().clamp_min(0)]
            return labels.roll(1, 1) if self.shifted else labels
        values = local_values(torch.Size([places[0], 1, *places[1:]]), batch, generator)
        if values is None:
            values = coarse_noise(torch.Size([places[0], 1, *places[1:]]), generator)
        order = values.flatten().argsort(stable=True).argsort()
        return (order * classes // order.numel()).reshape(places)


WORDS = {
    "classes": "class indices", "binary": "zeros and ones", "signs": "-1 and 1", "noise": "numbers of unit scale",
    "distribution": "probabilities", "multilabel": "one class a row", "counts": "counts", "sequence": "class sequences", 
    "pixels": "classes of pixels",
    "scores": "numbers of unit scale",
}  # fmt: skip


def balanced(shape: torch.Size, classes: int, generator: torch.Generator) -> Tensor:
    """Random class indices, each class as often as any other (to within one)."""
    count = shape.numel()
    if classes > count:
        return torch.randperm(classes, generator=generator)[:count].reshape(shape)
    return (torch.arange(count) % max(classes, 1))[torch.randperm(count, generator=generator)].reshape(shape)


def halves(numbers: Tensor) -> Tensor:
    """True for the upper half of the values."""
    flat = numbers.flatten()
    return (flat.argsort(stable=True).argsort() >= (flat.numel() + 1) // 2).reshape(numbers.shape)


def inputs_of(batch: Any) -> Iterator[tuple[int | str, Tensor]]:
    """The tensor inputs of a batch with their keys (position or name)."""
    for key, value in [*enumerate(batch.args), *batch.kwargs.items()]:
        if isinstance(value, Tensor):
            yield key, value


def token_input(places: Sequence[int], batch: Any) -> Tensor | None:
    """The integer input that has one value a place, the decoder's if there are two."""
    found = [
        (k, t)
        for k, t in inputs_of(batch)
        if tuple(t.shape) == tuple(places) and not t.is_floating_point() and t.dtype != torch.bool
    ]
    found = [(k, t) for k, t in found if "mask" not in str(k) and "label" not in str(k) and int(t.max()) > 1] or found
    if not found:
        return None
    return next((t for k, t in found if "decoder" in str(k)), found[0][1])


def smooth_numbers(shape: torch.Size, batch: Any, generator: torch.Generator) -> Tensor:
    """Numbers of unit scale in the output's shape: a function of the input at the same place if there is such, else noise
    (coarse over the pixels of an image, which a decoder can draw)."""
    if len(shape) == 3:
        tokens = token_input(shape[:2], batch)
        if tokens is not None:
            table = torch.randn(int(tokens.max()) + 1, shape[2], generator=generator).to(tokens.device)
            return table[tokens.long().clamp_min(0)]
        swapped = torch.Size([shape[0], shape[2], shape[1]])
        if any(t.dim() == 3 and t.is_floating_point() and t.shape[1] == shape[1] for _, t in inputs_of(batch)):
            values = local_values(swapped, batch, generator, last=True)
            if values is not None:
                return values.transpose(1, 2)
    if len(shape) in (3, 4, 5):
        values = local_values(shape, batch, generator)
        if values is not None:
            return values
        return coarse_noise(shape, generator)
    return torch.randn(tuple(shape), generator=generator)


def coarse_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Noise in (N, C, places…) that is constant over patches of 8 places a side."""
    coarse = torch.randn([*shape[:2], *(max(1, n // 8) for n in shape[2:])], generator=generator)
    return (
        F.interpolate(coarse, size=tuple(shape[2:])) if 3 <= len(shape) <= 5 else torch.randn(tuple(shape), generator=generator)
    )


def local_values(shape: torch.Size, batch: Any, generator: torch.Generator, last: bool = False) -> Tensor | None:
    """A random mixture of the input's channels at the same place, (N, C, places…), unit scale; None if no floating input has
    places.

    ``last``: the input's channels are its last axis.
    """
    for _, tensor in inputs_of(batch):
        if (
            not tensor.is_floating_point()
            or tensor.dim() != len(shape)
            or tensor.dim() not in (3, 4, 5)
            or tensor.shape[0] != shape[0]
        ):
            continue
        values = tensor.detach().float()
        if last:
            values = values.transpose(1, 2)
        if values.shape[2:] != shape[2:]:
            values = F.interpolate(values, size=tuple(shape[2:]), mode="area")
        mixture = torch.randn(shape[1], values.shape[1], generator=generator).to(values.device)
        values = torch.einsum("oc,nc...->no...", mixture, values)
        deviation = values.std() if values.numel() > 1 else torch.ones(())
        if not bool(torch.isfinite(values).all()) or float(deviation) < 1e-6:
            return None
        return (values - values.mean()) / deviation
    return None


def describe_target(target: Any, batch: Any = None) -> TargetInfo | None:
    """What the report says of a target; None if it is no tensor."""
    if not isinstance(target, Tensor):
        return None
    info = TargetInfo(tensor=tensor_info(target), range=range_of(target))
    values = target.detach()
    if values.is_complex() or values.numel() == 0:
        return info
    if values.is_floating_point():
        info.integral = bool((values == values.round()).all())
        info.variance = float(values.float().var(correction=0))
    else:
        info.integral = True
        labels, counts = values.unique(return_counts=True)
        if len(labels) <= MOST_CLASSES:
            info.classes = {str(k): v for k, v in zip(labels.tolist(), counts.tolist(), strict=True)}
    flat = values.flatten()
    info.sorted = bool((flat[1:] >= flat[:-1]).all()) and bool(flat[0] != flat[-1])
    if batch is not None:
        info.equals_input = any(
            t.shape == target.shape and t.dtype == target.dtype and torch.equal(t, target) for _, t in inputs_of(batch)
        )
    info.from_output = target.requires_grad
    return info
