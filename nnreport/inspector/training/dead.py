"""Dead units: those of the ReLU family that are zero for every position of every sample over several fresh batches.

A net that has fitted its one batch shows 34–42 % dead units in a healthy layer, so the batch it was trained on cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import ActivationSeries, Graph
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.activations import RELU_KINDS
from nnreport.inspector.training.watch import Key, Seen, Watch

WANTED = 512
"""Samples (positions count) behind a verdict, where that is cheap."""
FEW, MANY = 4, 32
"""Fresh batches: at least, for every model; at most, for a cheap one."""
CHEAP = 3e8
"""FLOPs of all forwards of one count that any model may spend; beyond it, no more than :data:`SHARE` of the probe's own."""
SHARE = 0.1
LISTED = 64
"""Indices of dead units that are kept."""


class Tally:
    """Which units of each ReLU were ever above zero."""

    def __init__(self) -> None:
        self.alive: dict[Key, Tensor] = {}
        self.samples: dict[Key, int] = {}

    def take(self, seen: Seen) -> None:
        value, axis = seen.value, seen.axis
        units = value.shape[axis] if value.dim() else 1
        others = [i for i in range(value.dim()) if i != axis]
        highest = value.amax(others) if others else value
        alive = ~(highest <= 0)  # NaN is not dead
        before = self.alive.get(seen.key)
        if before is not None and before.shape == alive.shape:
            alive = alive | before
        self.alive[seen.key] = alive
        self.samples[seen.key] = self.samples.get(seen.key, 0) + value.numel() // max(units, 1)


def batches_wanted(model: nn.Module, task: Any, steps: int, graph: Graph | None) -> int:
    """How many fresh batches may be spent on one count, from the cost of a forward: the same on every run."""
    size = batch_size(task.data.first)
    if graph is not None and graph.flops and graph.batch:
        cost = graph.flops / graph.batch * size
    else:
        cost = 2.0 * sum(p.numel() for p in model.parameters()) * size
    allowed = max(CHEAP / max(cost, 1.0), SHARE * 3 * steps / 2)
    return int(min(MANY, max(FEW, allowed)))


def batch_size(batch: Any) -> int:
    from nnreport.inspector.training.observe import batch_of

    return batch_of(batch) or 1


def count_dead(model: nn.Module, task: Any, batches: int, functional: bool = True) -> Tally:
    """Runs fresh batches through ``model`` in the mode it is in, without gradients; buffers are put back.

    Stops when every ReLU has seen :data:`WANTED` samples, or after ``batches``; a batch that fails ends it.
    """
    tally = Tally()
    watch = Watch(model, tally.take, wanted=RELU_KINDS, functional=functional)
    if not functional and not watch.leaves:
        return tally
    with seeded(task.seed + 17, task.device), torch.no_grad(), buffers_kept(model):
        for i in range(batches):
            try:
                batch = task.data.fresh(i)
                with watch:
                    task.forward(model, batch)
            except Exception:
                break
            if not tally.samples or (i + 1 >= min(FEW, batches) and min(tally.samples.values()) >= WANTED):
                break
    return tally


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Buffers (running statistics) hold afterwards what they held before."""
    saved = [(b, b.detach().clone()) for b in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in saved:
                if buffer.shape == value.shape:
                    buffer.copy_(value)


def record_dead(
    series: dict[Key, ActivationSeries], before: Tally, after: Tally, make: Callable[[Key], ActivationSeries | None]
) -> None:
    """Writes both counts into the series."""
    for key, alive in after.alive.items():
        entry = series.get(key) or make(key)
        if entry is None:
            continue
        dead = ~alive
        entry.units = alive.numel()
        entry.dead = float(dead.float().mean())
        entry.dead_samples = after.samples[key]
        entry.dead_units = dead.nonzero().flatten()[:LISTED].tolist()
    for key, alive in before.alive.items():
        entry = series.get(key)
        if entry is not None:
            entry.dead_initial = float((~alive).float().mean())
            entry.units = entry.units or alive.numel()


# --------------------------------------------------------------------------------------------------------------- gates

RESHAPES = frozenset(
    (
        "view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "contiguous", "getitem", "t", "T", "mT",
        "expand", "expand_as", "view_as", "reshape_as", "movedim", "moveaxis", "swapaxes", "swapdims", "unflatten", "clone", "to",
        "float", "type_as", "double", "half", "bfloat16", "ravel", "select", "narrow", "index_select", "unbind", "chunk", "split",
        "identity", "alias", "type",
    )
)  # fmt: skip
"""Graph operations that change shape, layout or type and no value."""
PRODUCTS = ("mul", "multiply", "__mul__", "__rmul__", "imul", "rmul", "einsum", "addcmul", "lerp")


def mark_gates(series: dict[Key, ActivationSeries], graph: Graph | None) -> None:
    """Sets ``gate`` where the output is multiplied into another tensor, or is the model's output, by the recorded graph."""
    if graph is None:
        return
    readers: dict[int, list[Any]] = {}
    places: dict[tuple[str, str], list[Any]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
        if node.kind == "op":
            places.setdefault((node.module, ""), []).append(node)
            places.setdefault((node.module, node.name.rstrip("_")), []).append(node)
    for key, entry in series.items():
        nodes = places.get((key.module, key.node), [])
        at = key.nth if key.node else len(nodes) - 1
        if 0 <= at < len(nodes):
            entry.gate = is_gate(nodes[at], readers)


def is_gate(node: Any, readers: dict[int, list[Any]]) -> bool:
    """Follows ``node``'s output through reshapes to what reads it."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        for reader in readers.get(current.id, []):
            name = reader.name.strip("_")
            if reader.kind == "output" or (name in PRODUCTS and len(set(reader.inputs)) > 1):
                return True
            if name in RESHAPES and reader.id not in seen:
                seen.add(reader.id)
                waiting.append(reader)
    return False
