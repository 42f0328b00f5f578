"""What this machine can do: a large float32 matrix product and a large copy, measured once and remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch

from nnreport.facts import Machine
from nnreport.inspector.device import device_name

SIDE = {"cpu": 1024}
"""Rows of the square matrices: 2 n³ FLOP keep two cores busy for 20 ms, an accelerator (the default) for a few."""
DEFAULT_SIDE = 4096
COPY = 48 << 20
"""Bytes copied: more than a cache holds."""
LONGEST = 0.05
"""Seconds that either measurement repeats for, at most."""
REPEATS = 4


def measure_machine(device: torch.device, wait: Callable[[], None], again: bool = False) -> Machine:
    """Attainable float32 FLOP/s and bytes/s of ``device``, from the cache where it was measured before.

    Args:
        device: where.
        wait: waits for the device.
        again: measure though it is known, and keep the larger values (the machine was busy the first time).
    """
    path, key = cache_file(), key_of(device)
    known = read(path).get(key)
    if known is not None and not again:
        return known
    machine = Machine(flops=matrix_flops(device, wait), bandwidth=copy_bandwidth(device, wait), device=device_name(str(device)))
    if known is not None:
        machine.flops, machine.bandwidth = max(machine.flops, known.flops), max(machine.bandwidth, known.bandwidth)
    write(path, key, machine)
    return machine


def matrix_flops(device: torch.device, wait: Callable[[], None]) -> float:
    """FLOP/s of the fastest of a few products of two square float32 matrices."""
    side = SIDE.get(device.type, DEFAULT_SIDE)
    one, two = torch.ones(side, side, device=device), torch.ones(side, side, device=device)
    out = torch.empty(side, side, device=device)
    return 2 * side**3 / fastest(lambda: torch.mm(one, two, out=out), wait)


def copy_bandwidth(device: torch.device, wait: Callable[[], None]) -> float:
    """Bytes/s of the fastest of a few copies, what is read and what is written counted both."""
    source = torch.ones(COPY // 4, device=device)
    goal = torch.empty_like(source)
    return 2 * COPY / fastest(lambda: goal.copy_(source), wait)


def fastest(action: Callable[[], object], wait: Callable[[], None]) -> float:
    """Seconds of the fastest repeat; the first one only warms up."""
    with torch.no_grad():
        action()
        wait()
        begin, best = perf_counter(), float("inf")
        for _ in range(REPEATS):
            start = perf_counter()
            action()
            wait()
            best = min(best, perf_counter() - start)
            if perf_counter() - begin > LONGEST:
                break
    return max(best, 1e-9)


# ------------------------------------------------------------------------------------------------------------- the cache


def key_of(device: torch.device) -> str:
    """What a measurement holds for."""
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    return f"{device_name(str(device))} | {threads} threads | torch {torch.__version__}"


def cache_file() -> Path:
    """``$XDG_CACHE_HOME/nnreport/machine.json``, by default under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "nnreport" / "machine.json"


def read(path: Path) -> dict[str, Machine]:
    """All remembered measurements; none where the file is missing or broken."""
    try:
        rows = json.loads(path.read_text())
        return {
            key: Machine(flops=float(row["flops"]), bandwidth=float(row["bandwidth"]), device=str(row["device"]))
            for key, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write(path: Path, key: str, machine: Machine) -> None:
    """Remembers a measurement; a folder that cannot be written to is no matter."""
    known = read(path)
    known[key] = machine
    rows = {name: {"flops": m.flops, "bandwidth": m.bandwidth, "device": m.device} for name, m in known.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        scratch.write_text(json.dumps(rows, indent=1, sort_keys=True))
        os.replace(scratch, path)
    except OSError:
        pass
