"""The batches that the probe trains on: what they offer, and those of the user's own."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import DataInfo, Failure
from nnreport.inspector.environment import without_folders
from nnreport.inspector.feeding.batches import Batch, looks_like_batch, split
from nnreport.inspector.feeding.datastats import data_columns, target_info
from nnreport.inspector.feeding.inputs import describe
from nnreport.inspector.feeding.nested import tensors
from nnreport.inspector.loading.signatures import forward_of
from nnreport.inspector.seeding import seeded
from nnreport.inspector.tracebacks import failure_of

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample
    from nnreport.inspector.loading.load import Loaded

BATCHES = 8
"""Batches looked at for statistics, the first included; kept for :meth:`Data.fresh`."""
SECONDS = 2.0
"""A slow loader is read no longer than this for them."""
_DATASET_BATCH = 32
SEED_STEP = 7919


class Data(Protocol):
    """Batches: one to train on, and others."""

    user: bool
    first: Batch
    info: DataInfo
    failure: Failure | None

    def fresh(self, i: int) -> Batch:
        """Another batch than the first, ``i`` ≥ 0; the same ``i`` gives the same batch."""
        ...


class NoData:
    """The user's data raised before it gave a batch; ``failure`` says where."""

    user = True

    def __init__(self, failure: Failure) -> None:
        self.failure: Failure | None = failure
        self.first = Batch(())
        self.info = DataInfo(user=True)

    def fresh(self, i: int) -> Batch:
        return self.first


class UserData:
    """Batches of the user's, read one by one as they are needed.

    Args:
        start: gives a new iterator over raw batches; called again when one is exhausted.
        split_batch: a raw batch to a :class:`Batch`.
        seed: each batch is drawn under a seed of its own, so that it does not matter when it is asked for.
    """

    user = True

    def __init__(self, start: Callable[[], Iterator[Any]], split_batch: Callable[[Any], Batch], seed: int) -> None:
        self.failure: Failure | None = None
        self._start = start
        self._split = split_batch
        self._seed = seed
        self._iterator: Iterator[Any] | None = None
        self._batches: list[Batch] = []
        self._ended = False
        self.info = DataInfo(user=True)
        self.first = self._read(0)

    def fresh(self, i: int) -> Batch:
        """The ``i + 1``-th batch after the first; where the data has fewer, they come round again
        (``info.batches_seen`` of 1: it is the first itself)."""
        return self._read(i + 1)

    def batches(self, count: int, seconds: float) -> list[Batch]:
        """The first ones, as many as there are and the time allows."""
        until = time.perf_counter() + seconds
        while len(self._batches) < count and not self._ended and time.perf_counter() < until:
            self._pull()
        return self._batches[:count]

    def _read(self, i: int) -> Batch:
        while len(self._batches) <= min(i, BATCHES - 1) and not self._ended:
            self._pull()
        if not self._batches:
            raise UsageError("the data is empty: it gave no batch")
        return self._batches[i % len(self._batches)]

    def _pull(self) -> None:
        """One more batch; at the end of an iterator a new one is started once, for data that is one batch a call."""
        with seeded(self._seed + SEED_STEP * len(self._batches)), _quiet():
            if self._iterator is None:
                self._iterator = self._start()
            try:
                raw = next(self._iterator)
            except StopIteration:
                self._ended = True
                return
        batch = self._split(raw)
        if self._batches and _equal(batch, self._batches[0]):  # the same fixed batch at every call
            self._ended = True
            return
        self._batches.append(batch)


def _equal(one: Batch, other: Batch) -> bool:
    pairs = [tensors((batch.args, batch.kwargs, batch.target)) for batch in (one, other)]
    return len(pairs[0]) == len(pairs[1]) and all(
        a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b) for (_, a), (_, b) in zip(*pairs, strict=True)
    )


def described(model: nn.Module, batch: Batch, source: str) -> list[Any]:
    return describe(model, batch.args, batch.kwargs, [source] * len(batch.args), dict.fromkeys(batch.kwargs, source))


# --------------------------------------------------------------------------------------------------------- the user's


def load_data(given: Any, loaded: Loaded, seed: int) -> Data:
    """``--data FILE:CALLABLE`` or the object itself: a callable that gives batches (or one batch a call), an iterable, a
    DataLoader, a Dataset, or one batch.

    A few batches are read for the statistics. Raises UsageError where it is nothing of these or a batch is none (see
    :mod:`nnreport.inspector.feeding.batches`); where the user's own code raises, ``failure`` is set.
    """
    model = loaded.model
    assert model is not None
    what = f"--data {without_folders(given)}" if isinstance(given, str) else "the data"
    forward = forward_of(model)
    try:
        if isinstance(given, str):
            from nnreport.inspector.loading.load import load_object

            value = load_object(given, "--data", seed)
        else:
            value = given
        data = UserData(_starter(value, what), lambda raw: split(raw, forward, what), seed)
        seen = data.batches(BATCHES, SECONDS)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        return NoData(failure_of(error, "data"))
    data.info = DataInfo(
        user=True,
        source=what,
        batch=data.first.size,
        given_batch=data.first.size,
        batches_seen=len(seen),
        inputs=described(model, data.first, f"first batch of {what}"),
        target=target_info([batch.target for batch in seen], data.first),
        columns=data_columns(seen, forward.positional),
    )
    return data


def _starter(value: Any, what: str) -> Callable[[], Iterator[Any]]:
    """A function that begins the batches anew."""
    if isinstance(value, type) and issubclass(value, torch.utils.data.Dataset):
        value = value()
    if looks_like_batch(value):
        return lambda: iter([value])
    if isinstance(value, torch.utils.data.Dataset) and not isinstance(value, torch.utils.data.IterableDataset):
        return lambda: _of_dataset(value)
    if hasattr(value, "__iter__") and not isinstance(value, (type, str, bytes, Mapping)):
        return lambda: _iterate(value)
    if callable(value):
        return lambda: _of_call(value, what)
    raise UsageError(f"{what} is a {type(value).__name__}: give a function that yields batches, or an iterable of them")


def _of_call(function: Callable[[], Any], what: str) -> Iterator[Any]:
    """What a call gives: batches, or one batch (then each further one is another call)."""
    from nnreport.inspector.loading.signatures import bind_error, shown_signature

    misfit, signature = bind_error(function, (), {})
    if misfit:
        raise UsageError(f"{what} is called without arguments, but takes {shown_signature(signature)}: give them defaults")
    made = function()
    if not looks_like_batch(made):
        yield from _starter_of_made(made, what)()
        return
    while True:
        yield made
        made = function()


def _starter_of_made(made: Any, what: str) -> Callable[[], Iterator[Any]]:
    if callable(made) and not hasattr(made, "__iter__") and not isinstance(made, torch.utils.data.Dataset):
        raise UsageError(f"{what} returned a function; return batches, or yield them")
    if made is None or isinstance(made, (str, bytes, int, float)):
        raise UsageError(f"{what} returned {made!r}: return batches, or yield them")
    return _starter(made, what)


def _iterate(value: Any) -> Iterator[Any]:
    """An iterable's batches; of a DataLoader without its worker processes, which would outlive their use."""
    if not isinstance(value, torch.utils.data.DataLoader) or not value.num_workers:
        return iter(value)
    workers, value.num_workers = value.num_workers, 0
    try:
        return iter(value)
    finally:
        value.num_workers = workers


def _of_dataset(dataset: Any) -> Iterator[Any]:
    """A map-style dataset in shuffled batches, as training would see it."""
    size = min(_DATASET_BATCH, len(dataset))
    if not size:
        raise UsageError("the dataset is empty")
    return iter(torch.utils.data.DataLoader(dataset, batch_size=size, shuffle=True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(sys.stderr):
        yield


def synthetic_data(sample: Sample, model: nn.Module, seed: int) -> Data:
    """Noise like the sample, the batch widened to at least 16 where the model takes so many: see
    :func:`nnreport.inspector.feeding.synthetic.make_synthetic`."""
    from nnreport.inspector.feeding.synthetic import make_synthetic

    return make_synthetic(sample, model, seed)
