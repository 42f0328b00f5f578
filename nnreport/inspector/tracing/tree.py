"""The tree of modules and parameters, read without running the model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Location, Module, Parameter, Scalar, Tree
from nnreport.inspector.locate import class_location
from nnreport.inspector.tracing.strays import count_of, find_strays, record_of, uninitialised
from nnreport.inspector.tracing.structure import dtype_name

SETTINGS = 40
"""Settings kept of one module."""
TEXT = 100
"""Longest setting kept as text."""
LENGTH = 16
"""Longest list of ints kept as a setting."""
NO_SETTING = frozenset({"training", "T_destination", "dump_patches", "call_super_init"})
POSITION = re.compile(
    r"^((layer|block|stage|depth|level|head)_?)?(i|idx|index|id|number|num|name|layer)$|^(layer|block)_?(idx|index|id|number)$"
)
"""Settings that say which of several equal layers this one is (Hugging Face's ``layer_idx``): no part of its structure."""
STOCHASTIC_DEPTH = re.compile(r"drop_?path|stochastic_?depth", re.IGNORECASE)
"""Its rate grows with depth in layers that are otherwise equal."""


def read_tree(model: nn.Module) -> Tree:
    """Modules, parameters, buffers and what is held without being registered. The model is not run and not changed.

    A module or tensor that stands at several places is listed at its first; the others are its ``aliases`` or ``tied`` names.
    Uninitialised (lazy) parameters have shape ``[]`` and count 0 until the trace has run the model.
    """
    reader = TreeReader(model)
    tree = Tree(modules=reader.modules(), parameters=reader.parameters)
    trainable = [p for p in reader.parameters if p.kind == "parameter"]
    tree.total = sum(p.count for p in trainable)
    tree.trainable = sum(p.count for p in trainable if p.trainable)
    tree.buffers = sum(p.count for p in reader.parameters if p.kind == "buffer")
    tree.size = sum(p.size for p in reader.parameters)
    paths = dict(model.named_modules())
    tree.stray = [record_of(stray, paths.get(stray.owner)) for stray in find_strays(model)]
    return tree


class TreeReader:
    """Reads a model, or a module held outside of one under the path that the trace gave it."""

    def __init__(self, model: nn.Module, prefix: str = "", registered: bool = True) -> None:
        self.model = model
        self.prefix = prefix
        self.registered = registered
        self.parameters: list[Parameter] = []
        self.signatures: dict[int, str] = {}
        self.records: dict[int, Module] = {}
        self.owned: dict[int, list[Parameter]] = {}
        self.classes: dict[type, Location | None] = {}

    def modules(self) -> list[Module]:
        """All modules in ``named_modules()`` order; fills :attr:`parameters` on the way."""
        self.read_tensors()
        for path, module in self.model.named_modules(remove_duplicate=False):
            full = self.full(path)
            known = self.records.get(id(module))
            if known is not None:
                known.aliases.append(full)
            else:
                self.records[id(module)] = self.record(full, module)
        self.add_totals()
        return list(self.records.values())

    def full(self, path: str) -> str:
        return ".".join(part for part in (self.prefix, path) if part)

    def read_tensors(self) -> None:
        """Parameters and buffers at their first name."""
        seen: dict[int, Parameter] = {}
        memory: dict[tuple[Any, ...], Parameter] = {}
        for path, module in self.model.named_modules():
            owned = self.owned[id(module)] = []
            entries: list[tuple[str, Tensor | None, bool]] = [(n, t, True) for n, t in module._parameters.items()]
            entries += [(n, t, False) for n, t in module._buffers.items()]
            for name, tensor, is_parameter in entries:
                if tensor is None:
                    continue
                full = self.full(f"{path}.{name}" if path else name)
                key = memory_key(tensor) if is_parameter else None
                known = seen.get(id(tensor)) or (memory.get(key) if key else None)
                if known is not None:
                    known.tied.append(full)
                    continue
                record = Parameter(
                    name=full,
                    module=self.full(path),
                    shape=[] if uninitialised(tensor) else [int(size) for size in tensor.shape],
                    dtype=dtype_name(tensor.dtype),
                    kind="parameter" if is_parameter else "buffer",
                    trainable=is_parameter and tensor.requires_grad,
                    persistent=is_parameter or name not in module._non_persistent_buffers_set,
                    count=count_of(tensor),
                    size=size_of(tensor),
                )
                seen[id(tensor)] = record
                if key:
                    memory[key] = record
                owned.append(record)
                self.parameters.append(record)

    def record(self, path: str, module: nn.Module) -> Module:
        cls = type(module)
        if cls not in self.classes:
            self.classes[cls] = class_location(cls)
        parent = path.rpartition(".")[0] if path != self.prefix else (None if self.registered else self.prefix.rpartition(".")[0])
        return Module(
            path=path,
            cls=f"{cls.__module__}.{cls.__qualname__}",
            kind=kind_of(cls),
            location=self.classes[cls],
            parent=parent,
            children=[f"{path}.{name}" if path else name for name, child in module._modules.items() if child is not None],
            settings=settings_of(module),
            signature=self.signature(module),
            training=module.training,
            registered=self.registered,
        )

    def add_totals(self) -> None:
        """Sizes, each tensor once at its first owner; a parent's are the sum over its subtree."""
        for module in self.model.modules():
            record = self.records[id(module)]
            below = (
                [p for child in module.modules() for p in self.owned[id(child)]] if module._modules else self.owned[id(module)]
            )
            own = self.owned[id(module)]
            record.parameters = sum(p.count for p in own if p.kind == "parameter")
            record.buffers = sum(p.count for p in own if p.kind == "buffer")
            record.total = sum(p.count for p in below if p.kind == "parameter")
            record.trainable = sum(p.count for p in below if p.trainable)
            record.size = sum(p.size for p in below)

    def signature(self, module: nn.Module) -> str:
        """Equal for modules of equal class, settings, tensor shapes and children; computed from the leaves up, each once."""
        stack: list[tuple[nn.Module, bool]] = [(module, False)]
        while stack:
            each, ready = stack.pop()
            if id(each) in self.signatures:
                continue
            children = [child for child in each._modules.values() if child is not None]
            if not ready:
                stack.append((each, True))
                stack += [(child, False) for child in children]
                continue
            text = repr(
                (
                    f"{type(each).__module__}.{type(each).__qualname__}",
                    structural(each, settings_of(each)),
                    [(n, shape_of(t), str(t.dtype), t.requires_grad) for n, t in each._parameters.items() if t is not None],
                    [(n, shape_of(t), str(t.dtype)) for n, t in each._buffers.items() if t is not None],
                    [(n, self.signatures.get(id(c), "")) for n, c in each._modules.items() if c is not None],
                )
            )
            self.signatures[id(each)] = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self.signatures[id(module)]


def memory_key(tensor: Tensor) -> tuple[Any, ...] | None:
    """Equal for two parameters that are one piece of memory seen alike (tied through ``.data``)."""
    try:
        pointer = tensor.data_ptr()
    except Exception:  # lazy, fake, wrapped
        return None
    return (pointer, tuple(tensor.shape), tensor.stride(), tensor.dtype) if pointer and tensor.numel() else None


def size_of(tensor: Tensor) -> int:
    """Bytes; a sparse or uninitialised tensor's are what it says they are."""
    return 0 if uninitialised(tensor) else tensor.numel() * tensor.element_size()


def shape_of(tensor: Tensor) -> list[int]:
    return [-1] if uninitialised(tensor) else [int(size) for size in tensor.shape]


def kind_of(cls: type) -> str:
    """Name of the first class in the MRO that torch.nn defines, other than Module itself."""
    for base in cls.__mro__:
        if base is nn.Module:
            break
        if base.__module__.startswith("torch.nn."):
            return base.__name__
    return ""


def structural(module: nn.Module, settings: Mapping[str, Scalar | list[int]]) -> list[tuple[str, Any]]:
    """The settings that belong to a module's structure."""
    loose = STOCHASTIC_DEPTH.search(type(module).__name__)
    return [
        (name, value)
        for name, value in settings.items()
        if not POSITION.match(name) and not (isinstance(value, float) and (loose or STOCHASTIC_DEPTH.search(name)))
    ]


def settings_of(module: nn.Module) -> dict[str, Scalar | list[int]]:
    """The module's public plain attributes, and what it lists in ``__constants__``."""
    found: dict[str, Scalar | list[int]] = {}
    for name, value in attributes_of(module):
        if len(found) >= SETTINGS:
            break
        if name.startswith("_") or name in NO_SETTING or name in found:
            continue
        usable, plain = plain_value(value)
        if usable:
            found[name] = plain
    return found


def attributes_of(module: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from list(vars(module).items())
    constants = getattr(type(module), "__constants__", ())
    for name in constants if isinstance(constants, (list, tuple, set, frozenset)) else ():
        if isinstance(name, str) and name not in vars(module):
            try:
                yield name, getattr(module, name)
            except Exception:  # a property of the user's that needs more than a fresh module
                continue


def plain_value(value: Any) -> tuple[bool, Scalar | list[int]]:
    """(it is a setting, the value as plain data)."""
    if value is None or isinstance(value, bool):
        return True, value
    if isinstance(value, Enum):
        return True, value.name
    if isinstance(value, int):
        return (True, int(value)) if abs(value) < 2**63 else (True, str(value))
    if isinstance(value, float):
        return (True, float(value)) if value - value == 0 else (True, str(value))
    if isinstance(value, str):
        return True, value[:TEXT]
    if isinstance(value, (torch.dtype, torch.device)):
        return True, str(value).removeprefix("torch.")
    if isinstance(value, (list, tuple)) and len(value) <= LENGTH:
        if all(isinstance(item, int) and not isinstance(item, bool) for item in value):
            return True, [int(item) for item in value]
        if all(isinstance(item, (int, float, str, bool, type(None))) for item in value):
            return True, str(tuple(value))[:TEXT]
    return False, None
