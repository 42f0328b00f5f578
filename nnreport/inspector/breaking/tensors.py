"""The tensors at hand in a frame, summed up: name, shape, dtype, range, values that are not finite."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch import Tensor, nn

from nnreport.facts import BreakTensor, Range
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.weighing.statistics import range_of

MOST = 24
"""Tensors that are listed."""
MOST_OF_ONE = 6
"""Of one container."""


def at_hand(here: dict[str, Any], frame: FrameType | None) -> list[BreakTensor]:
    """What the hit is about, then the frame's variables, those of the running line first."""
    found: list[BreakTensor] = []
    seen: set[int] = set()
    for name, tensor in [*of_names({f"here.{name}": value for name, value in here.items()}), *of_frame(frame)]:
        if len(found) >= MOST:
            break
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        found.append(describe(name, tensor))
    return found


def describe(name: str, tensor: Tensor) -> BreakTensor:
    """One tensor as a record; one whose values cannot be read (sparse, meta) without its range."""
    held: Range | None = None
    try:
        held = range_of(tensor.detach().abs() if tensor.is_complex() else tensor.detach())
    except Exception:
        held = None
    return BreakTensor(name=name, tensor=tensor_info(tensor), range=held, requires_grad=tensor.requires_grad)


def of_frame(frame: FrameType | None) -> list[tuple[str, Tensor]]:
    """Its variables that are or hold tensors, and its module's own parameters and buffers."""
    if frame is None:
        return []
    local = {name: value for name, value in list(frame.f_locals.items()) if not name.startswith("_")}
    line = set(re.findall(r"\w+", linecache.getline(frame.f_code.co_filename, frame.f_lineno)))
    ordered = sorted(local, key=lambda name: name not in line)
    found = list(of_names({name: local[name] for name in ordered}))
    owner = local.get("self")
    if isinstance(owner, nn.Module):
        found += [(f"self.{name}", tensor) for name, tensor in owner.named_parameters(recurse=False)]
        found += [(f"self.{name}", tensor) for name, tensor in owner.named_buffers(recurse=False)]
    return found


def of_names(values: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of each value by its name, as Python would write them."""
    for name, value in values.items():
        for count, (path, tensor) in enumerate(named_tensors(value)):
            if count >= MOST_OF_ONE:
                break
            yield name + as_python(path, value), tensor


def as_python(path: str, value: Any) -> str:
    """A key path as an expression: ``heads.1`` of a dict of lists -> ``['heads'][1]``. A key that holds a dot is one key."""
    written = ""
    while path:
        keys = value.keys() if isinstance(value, dict) else ()
        key = next((k for k in keys if path == str(k) or path.startswith(f"{k}.")), None)
        part = str(key) if key is not None else path.partition(".")[0]
        path = path[len(part) + 1 :]
        if key is not None:
            written, value = f"{written}[{key!r}]", value[key]
        elif isinstance(value, (list, tuple)) and part.isdecimal():
            written, value = f"{written}[{part}]", value[int(part)]
        else:
            written, value = f"{written}.{part}", getattr(value, part, None)
    return written


# ---------------------------------------------------------------------------------------------------------- as a table


def table(tensors: list[BreakTensor]) -> list[str]:
    """The lines of a table; empty where there are none."""
    if not tensors:
        return []
    rows = [("tensor", "type", "smallest", "largest", "mean", "not finite")]
    rows += [row(each) for each in tensors]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def row(each: BreakTensor) -> tuple[str, str, str, str, str, str]:
    kind = f"{each.tensor.dtype}[{', '.join(map(str, each.tensor.shape))}]"
    held = each.range
    if held is None:
        return each.name, kind, "", "", "", ""
    bad = [f"{count} {name}" for count, name in ((held.nan, "NaN"), (held.inf, "Inf")) if count]
    of = f" of {held.count:,}" if bad else ""
    if held.count == held.nan + held.inf:
        return each.name, kind, "", "", "", ", ".join(bad) + of
    return each.name, kind, f"{held.minimum:.4g}", f"{held.maximum:.4g}", f"{held.mean:.4g}", ", ".join(bad) + of
