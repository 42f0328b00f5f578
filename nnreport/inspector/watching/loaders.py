"""Data loaders under watch: how long the script waits for them, and whether they give something new each time."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from nnreport.facts import LoaderRun, Location
from nnreport.inspector.blame import user_location
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.watching.patching import Patches

COMPARED = 40
"""Batches that are compared with the one before."""
LARGEST = 4_000_000
"""Elements of a batch above which it is not compared: it would have to be kept."""


class LoaderWatch:
    """One loader."""

    def __init__(self, loader: Any, iterator: Any) -> None:
        self.loader = weakref.ref(loader) if loader is not None else lambda: None
        dataset = getattr(loader, "dataset", None)
        sampler = getattr(loader, "sampler", None)
        self.run = LoaderRun(
            dataset=type(dataset).__name__ if dataset is not None else "",
            samples=length(dataset),
            batch=getattr(loader, "batch_size", None),
            workers=int(getattr(loader, "num_workers", 0) or 0),
            sampler=type(sampler).__name__ if sampler is not None else "",
        )
        if loader is not None and self.run.batch is None and getattr(loader, "batch_sampler", None) is not None:
            self.run.sampler = type(loader.batch_sampler).__name__
        self.before: list[Tensor] | None = None

    @property
    def whole(self) -> bool:
        """One batch holds the whole dataset: then all batches are alike, as they should be."""
        run = self.run
        return run.samples is not None and run.batch is not None and run.samples <= run.batch

    def gave(self, batch: Any, seconds: float, first: bool) -> None:
        """A batch came after ``seconds``; ``first``: of its pass."""
        run = self.run
        if first and run.workers:
            run.starting += seconds
        run.batches += 1
        run.waited += seconds
        if run.compared < COMPARED and not self.whole:
            self.compare(batch)
        else:
            self.before = None

    def compare(self, batch: Any) -> None:
        tensors = [t for _, t in named_tensors(batch)]
        if not tensors or sum(t.numel() for t in tensors) > LARGEST or any(t.device.type != "cpu" for t in tensors):
            return
        if self.before is not None:
            self.run.compared += 1
            self.run.repeated += len(tensors) == len(self.before) and all(
                torch.equal(a, b) for a, b in zip(tensors, self.before, strict=True)
            )
        self.before = [t.clone() for t in tensors]  # the script may write into its batch


def length(dataset: Any) -> int | None:
    """Samples of a dataset that knows."""
    try:
        return len(dataset)
    except Exception:
        return None


class Loaders:
    """All loaders of the script."""

    def __init__(self, active: Callable[[], bool]) -> None:
        self.active = active
        self.watches: list[LoaderWatch] = []
        self.of_loader: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self.of_iterator: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self.beginning: weakref.WeakSet[Any] = weakref.WeakSet()
        """Iterators that have given no batch yet."""
        self.last: int | None = None
        """Index of the loader that gave the last batch."""
        self.waited = 0.0

    def install(self, patches: Patches) -> None:
        """Wraps the making of iterators, and their ``__next__``."""
        from torch.utils.data import DataLoader
        from torch.utils.data.dataloader import _BaseDataLoaderIter

        patches.wrap(DataLoader, "__iter__", self.wrap_iter)
        patches.wrap(_BaseDataLoaderIter, "__next__", self.wrap_next)

    def wrap_iter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __iter__(loader: Any) -> Any:
            iterator = original(loader)
            if self.active():
                index = self.of_loader.get(loader)
                if index is None:
                    index = self.of_loader[loader] = len(self.watches)
                    watch = LoaderWatch(loader, iterator)
                    watch.run.location = place()
                    self.watches.append(watch)
                self.of_iterator[iterator] = index
                self.beginning.add(iterator)
            return iterator

        return __iter__

    def wrap_next(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __next__(iterator: Any) -> Any:
            if not self.active():
                return original(iterator)
            start = perf_counter()
            index = self.of_iterator.get(iterator)
            try:
                batch = original(iterator)
            except StopIteration:
                if index is not None:
                    self.watches[index].run.epochs += 1
                raise
            seconds = perf_counter() - start
            self.waited += seconds
            if index is not None:
                self.last = index
                self.watches[index].gave(batch, seconds, iterator in self.beginning)
                self.beginning.discard(iterator)
            return batch

        return __next__


def place() -> Location | None:
    """The user's line that reads the loader."""
    return user_location(sys._getframe(2))
