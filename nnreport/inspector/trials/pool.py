"""Batches of any size, of samples that differ: rows of the user's data where there are enough, else fresh noise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nnreport.inspector.feeding.nested import map_tensors, tensors

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample
    from nnreport.inspector.training.task import LabelledData

MOST_BATCHES = 4
"""The user's batches read for one pool, at most."""


class NoBatch(Exception):
    """No batch of that size can be made; the message says why."""


@dataclass
class Inputs:
    """What a model is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def map(self, change: Any) -> Inputs:
        """The same with every tensor replaced."""
        return Inputs(tuple(map_tensors(self.args, change)), dict(map_tensors(self.kwargs, change)))

    def tensors(self) -> list[Tensor]:
        return [tensor for _, tensor in tensors((self.args, self.kwargs))]

    @property
    def batch(self) -> int | None:
        """The leading size that all its tensors with axes share; None if they do not."""
        sizes = {t.shape[0] for t in self.tensors() if t.dim()}
        return sizes.pop() if len(sizes) == 1 else None

    @property
    def leading(self) -> int | None:
        """The commonest leading size."""
        sizes = Counter(t.shape[0] for t in self.tensors() if t.dim())
        return sizes.most_common(1)[0][0] if sizes else None

    def rows(self, start: int, stop: int) -> Inputs:
        """Samples ``start`` to ``stop``; tensors with another leading axis are shared by all samples, and kept whole."""
        leading = self.leading
        return self.map(lambda t: t[start:stop] if t.dim() and t.shape[0] == leading else t)

    def with_rows(self, other: Inputs, changed: list[int]) -> Inputs:
        """The same batch with the samples ``changed`` taken from ``other``, which has the same shapes."""
        leading = self.leading
        pairs = iter(other.tensors())

        def swap(tensor: Tensor) -> Tensor:
            twin = next(pairs)
            if not tensor.dim() or tensor.shape[0] != leading:
                return tensor
            if twin.shape != tensor.shape:
                raise NoBatch("samples differ in shape")
            swapped = tensor.detach().clone()
            swapped[changed] = twin[changed].to(tensor.dtype)
            return swapped

        return self.map(swap)


class Pool:
    """Makes batches.

    Args:
        sample: the example input; its ``widened`` gives noise of the same kind.
        data: the task's, if any; used where it is the user's own.
        device: where the tensors shall lie.
        seed: of the noise.
    """

    def __init__(self, sample: Sample, data: LabelledData | None, device: torch.device, seed: int) -> None:
        self.sample = sample
        self.data = data if data is not None and getattr(data, "user", False) else None
        self.device = device
        self.seed = seed
        self.known: Inputs | None = None
        self.joined = False

    @property
    def given(self) -> Inputs:
        """The example input itself."""
        return Inputs(tuple(self.sample.args), dict(self.sample.kwargs))

    def draw(self, count: int, draw: int = 0) -> Inputs:
        """``count`` samples; another ``draw`` gives others of the same shapes.

        Raises:
            NoBatch: the inputs share no leading axis, or cannot be widened.
        """
        found = self.of_user(count, draw)
        if found is not None:
            return found
        if self.sample.batch is None:
            raise NoBatch("the inputs share no leading axis")
        try:
            wide = self.sample.widened(count, self.seed + 1000 * (draw + 1))
        except Exception as error:
            raise NoBatch(f"the input cannot be made {count} samples wide ({type(error).__name__})") from error
        return self.placed(wide)

    def of_user(self, count: int, draw: int) -> Inputs | None:
        """Rows of the user's own batches; None where these are too few to be ``count`` different samples."""
        if self.data is None:
            return None
        if self.known is None:
            self.known = self.placed(self.data.first)
        if (self.known.batch or 0) < 2 * count and not self.joined:
            self.join()
        size = self.known.batch
        if size is None or size < count:
            return None
        draws = size // count
        if draw and draws < 2:  # the same samples in another order, so that none stays where it was
            order = [(i + 1 + draw % max(size - 1, 1)) % size for i in range(count)]
            return self.known.map(lambda t: t[order] if t.dim() else t)
        start = (draw % draws) * count
        return self.known.rows(start, start + count)

    def join(self) -> None:
        """Puts further batches of the user's behind the first, where they are others and of like shape."""
        assert self.data is not None
        assert self.known is not None
        self.joined = True
        parts = [self.known]
        for i in range(MOST_BATCHES - 1):
            try:
                other = self.placed(self.data.fresh(i))
            except Exception:
                break
            if other.batch is not None and alike(parts[0], other) and not equal(parts[-1], other):
                parts.append(other)
        if parts[0].batch is not None and len(parts) > 1:
            lists = [iter(part.tensors()) for part in parts]

            def cat(tensor: Tensor) -> Tensor:
                each = [next(tensors) for tensors in lists]
                return torch.cat(each) if tensor.dim() else tensor

            self.known = parts[0].map(cat)

    def placed(self, source: Any) -> Inputs:
        """The arguments of a batch or sample on the model's device."""
        return Inputs(tuple(source.args), dict(source.kwargs)).map(lambda t: t.detach().to(self.device))


def alike(one: Inputs, other: Inputs) -> bool:
    """Their tensors have the same shapes but for the leading axis."""
    return [t.shape[1:] for t in one.tensors()] == [t.shape[1:] for t in other.tensors()]


def equal(one: Inputs, other: Inputs) -> bool:
    """Their tensors hold the same values."""
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)
