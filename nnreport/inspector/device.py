"""Which device the copies run on, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from nnreport.errors import UsageError

ORDER = ("cuda", "xpu", "mps")
"""Accelerators, the first that is there is taken."""


@dataclass(frozen=True)
class Device:
    device: str
    """As ``torch.device`` takes it: ``cuda:0``, ``cpu``."""
    name: str = ""
    """Of the hardware."""
    reason: str = ""
    """One sentence."""
    devices: list[str] = field(default_factory=list)
    """All accelerators that are there."""


def choose_device(wanted: str) -> Device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``xpu``, ``mps`` to a device. Raises UsageError, naming those there are."""
    seen = accelerators()
    wanted = wanted.strip().lower() or "auto"
    if wanted == "auto":
        for kind in ORDER:
            first = next((each for each in seen if each.partition(":")[0] == kind), None)
            if first is not None:
                others = len(seen) - 1
                more = f", the first of {len(seen)} accelerators" if others else ", the only accelerator here"
                return Device(first, device_name(first), f"{first}{more}.", seen)
        return Device("cpu", device_name("cpu"), "The CPU: this torch sees no accelerator here.", seen)
    kind, _, index = wanted.partition(":")
    if kind == "cpu" and index in ("", "0"):
        return Device("cpu", device_name("cpu"), "The CPU, as asked for.", seen)
    if kind not in (*ORDER, "cpu") or (index and not index.isdigit()):
        raise UsageError(f"--device {wanted}: no such device; write auto, cpu, cuda, cuda:1, mps or xpu")
    full = wanted if index or kind == "mps" else f"{kind}:0"
    if full not in seen:
        there = ", ".join(["cpu", *seen])
        raise UsageError(f"--device {wanted} is not there; this machine (torch {torch.__version__}) has {there}")
    return Device(full, device_name(full), f"{full}, as asked for.", seen)


def accelerators() -> list[str]:
    """``["cuda:0", "cuda:1"]``; empty on a plain CPU."""
    found = []
    if torch.cuda.is_available():
        found += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    xpu = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_available():
        found += [f"xpu:{i}" for i in range(xpu.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def device_name(device: str) -> str:
    """The hardware's name: ``NVIDIA H100``, the processor's model; ``""`` if it does not tell."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        return str(torch.cuda.get_device_name(int(index or 0)))
    if kind == "xpu":
        return str(torch.xpu.get_device_name(int(index or 0)))
    if kind == "mps":
        return "Apple GPU"
    return _processor()


def _processor() -> str:
    import platform

    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
