"""Top operators of one step, and on the CPU the memory it allocates, from torch's own profiler."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from nnreport.facts import OperatorCost

MOST = 20
"""Operators kept, by their own time."""


@dataclass
class Trace:
    """What the profiler saw of one step."""

    operators: list[OperatorCost] = field(default_factory=list)
    allocated: int = 0
    """Largest sum of the CPU bytes allocated in the step and not freed yet."""


def profile_step(step: Callable[[], Any], device: torch.device) -> Trace:
    """Runs ``step`` once under the profiler."""
    from torch.autograd import profiler

    with quiet(), profiler.profile(use_device=device.type if device.type != "cpu" else None, profile_memory=True) as run:
        step()
    results: Any = run.kineto_results
    events = results.events()
    if device.type == "cpu":
        return Trace(ranked(own_times(events)), most_allocated(events))
    return Trace(ranked(device_times(run)), 0)


def own_times(events: list[Any]) -> dict[str, tuple[int, float]]:
    """Operator -> (calls, seconds without the operators that it called), CPU threads."""
    threads: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for event in events:
        if event.duration_ns() > 0 and event.device_type().name == "CPU" and not event.name().startswith("["):
            threads[event.start_thread_id()].append((event.start_ns(), event.duration_ns(), event.name()))
    found: dict[str, tuple[int, float]] = {}
    for rows in threads.values():
        rows.sort(key=lambda row: (row[0], -row[1]))
        open_: list[list[Any]] = []  # [end, name, own nanoseconds]
        for start, duration, name in [*rows, (sys.maxsize, 0, "")]:
            while open_ and open_[-1][0] <= start:
                _, closed, own = open_.pop()
                calls, seconds = found.get(closed, (0, 0.0))
                found[closed] = calls + 1, seconds + own / 1e9
            if open_:
                open_[-1][2] -= duration
            open_.append([start + duration, name, duration])
    return found


def device_times(run: Any) -> dict[str, tuple[int, float]]:
    """Operator -> (calls, seconds of its own kernels) on an accelerator."""
    found = {}
    for row in run.key_averages():
        own = getattr(row, "self_device_time_total", getattr(row, "self_cuda_time_total", 0.0))
        if own > 0 and not str(row.key).startswith(("void ", "Memcpy", "Memset")):
            found[str(row.key)] = int(row.count), own / 1e6
    return found


def ranked(times: dict[str, tuple[int, float]]) -> list[OperatorCost]:
    """The costliest, with their share of all."""
    merged: dict[str, tuple[int, float]] = {}
    for name, (calls, seconds) in times.items():
        short = name.removeprefix("autograd::engine::evaluate_function: ").removeprefix("aten::")
        before = merged.get(short, (0, 0.0))
        merged[short] = max(before[0], calls), before[1] + max(seconds, 0.0)
    total = sum(seconds for _, seconds in merged.values()) or 1.0
    rows = sorted(merged.items(), key=lambda row: (-row[1][1], row[0]))[:MOST]
    return [OperatorCost(name=name, calls=calls, seconds=seconds, share=seconds / total) for name, (calls, seconds) in rows]


def most_allocated(events: list[Any]) -> int:
    """Peak of the running sum of CPU allocations and releases."""
    rows = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]" and e.device_type().name == "CPU"]
    peak = now = 0
    for _, size in sorted(rows, key=lambda row: row[0]):
        now += size
        peak = max(peak, now)
    return peak


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the profiler's C++ remarks (memory allocated before it began, its own start and stop) off standard error."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
