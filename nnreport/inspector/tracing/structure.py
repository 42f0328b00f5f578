"""Tensors inside whatever a model takes or gives: dicts, tuples, dataclasses, caches, distributions, packed sequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import TensorInfo

DEPTH = 6
"""How deep containers are searched."""
MOST = 2000
"""Tensors looked at in one structure."""
OPAQUE = (
    str, bytes, int, float, bool, complex, type(None), type, torch.dtype, torch.device, torch.Size, nn.Module, torch.Generator,
)  # fmt: skip

_dtypes: dict[torch.dtype, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """``float32``."""
    name = _dtypes.get(dtype)
    if name is None:
        name = _dtypes[dtype] = str(dtype).removeprefix("torch.")
    return name


def tensor_info(tensor: Tensor) -> TensorInfo:
    """Shape and dtype; an uninitialised parameter has none yet."""
    try:
        shape = [int(size) for size in tensor.shape]
    except (RuntimeError, TypeError, ValueError):
        shape = []
    return TensorInfo(shape=shape, dtype=dtype_name(tensor.dtype))


def parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The named parts of a container; nothing for anything else."""
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=False)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((str(i), item) for i, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    elif hasattr(value, "__dict__") and not callable(value):
        yield from ((name.lstrip("_"), item) for name, item in vars(value).items())


def named_tensors(value: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """(key path, tensor) of every tensor inside, each once, in order: ``logits``, ``0``, ``past_key_values.0.keys``."""
    if isinstance(value, Tensor):
        return [(name, value)]
    found: list[tuple[str, Tensor]] = []
    collect(value, name, 0, found, set())
    return found


def collect(value: Any, name: str, depth: int, found: list[tuple[str, Tensor]], seen: set[int]) -> None:
    if isinstance(value, Tensor):
        if id(value) not in seen:
            seen.add(id(value))
            found.append((name, value))
        return
    if isinstance(value, OPAQUE) or depth > DEPTH or len(found) >= MOST or id(value) in seen:
        return
    seen.add(id(value))
    for key, item in parts(value):
        collect(item, f"{name}.{key}" if name else key, depth + 1, found, seen)


def flat_tensors(value: Any, found: list[Tensor]) -> None:
    """The tensors in an operation's arguments or result, in order, repeats kept; the quick form for the recorder."""
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            flat_tensors(item, found)
    elif type(value) is dict:
        for item in value.values():
            flat_tensors(item, found)


def describe(value: Any) -> str:
    """The structure in words: ``tensor``, ``dict(logits, loss)``, ``tuple of 2``, ``CausalLMOutput(logits)``, ``Normal``."""
    if isinstance(value, Tensor):
        return "tensor"
    name = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, Mapping) or dataclasses.is_dataclass(value) or hasattr(value, "_fields"):
        keys = [key for key, item in parts(value) if item is not None]
        shown = ", ".join(keys[:8]) + (", …" if len(keys) > 8 else "")
        return f"{name}({shown})"
    if isinstance(value, (list, tuple)):
        return f"{name} of {len(value)}"
    return name
