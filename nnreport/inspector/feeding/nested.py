"""Tensors inside tuples, lists, dicts, named tuples and dataclasses: walk them, replace them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

TensorMap = Callable[[torch.Tensor], Any]


def map_tensors(value: Any, change: TensorMap) -> Any:
    """The same structure with every tensor replaced; what is no container is passed on as it is."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, torch.Tensor) else leaf)


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf replaced (a leaf is anything that is no container)."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_leaves(item, change) for item in value))
    if type(value) in (tuple, list):
        return type(value)(map_leaves(item, change) for item in value)
    if type(value) is dict:
        return {key: map_leaves(item, change) for key, item in value.items()}
    if isinstance(value, Mapping):
        return _same_mapping(value, {key: map_leaves(item, change) for key, item in value.items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: map_leaves(getattr(value, field.name), change) for field in dataclasses.fields(value) if field.init
        }
        return dataclasses.replace(value, **changed)
    return change(value)


def _same_mapping(value: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    try:
        return type(value)(items)  # type: ignore[call-arg]
    except Exception:  # a mapping with a constructor of its own (BatchEncoding takes more): a plain dict reads the same
        return items


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of everything inside, in order: ``x``, ``x[0]``, ``x.mask``."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        for field, item in zip(value._fields, value, strict=True):
            yield from leaves(item, f"{name}.{field}" if name else field)
    elif type(value) in (tuple, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{name}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}" if name else str(key))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            yield from leaves(getattr(value, entry.name), f"{name}.{entry.name}" if name else entry.name)
    else:
        yield name, value


def tensors(value: Any, name: str = "") -> list[tuple[str, torch.Tensor]]:
    """(path, tensor) of every tensor inside."""
    return [(path, leaf) for path, leaf in leaves(value, name) if isinstance(leaf, torch.Tensor)]
