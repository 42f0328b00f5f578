"""Modules and tensors that a model holds without registering them: in plain lists and dicts, or as plain attributes.

``.to()``, ``state_dict()`` and the optimizer never see them. What torch.nn keeps for itself is no stray (an LSTM's flat weights,
the ``weight`` that weight_norm, spectral_norm and pruning compute anew), nor is an alias of something registered.
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nnreport.facts import Location, StrayTensor
from nnreport.inspector.locate import class_location, location_at

DEPTH = 5
"""How deep plain containers are searched."""
ITEMS = 2000
"""Items of one container that are looked at."""
INTERNAL = frozenset(nn.Module().__dict__)
"""Attributes that every module has."""
DERIVED = ("_g", "_orig", "_v")
"""``weight`` is computed from ``weight_g``, ``weight_orig`` …, which are registered."""
CONTAINERS = (list, tuple, set, frozenset, deque)


@dataclass
class Stray:
    """One find, with the object itself.

    Attributes:
        kind: ``module``; ``parameter``, a leaf that requires a gradient; ``tensor``, any other.
        owner: path of the module whose attribute it is.
        attribute: ``blocks[0]``, ``scale``.
        value: the module or tensor.
    """

    kind: str
    owner: str
    attribute: str
    value: Any

    @property
    def path(self) -> str:
        """``owner.attribute``."""
        return f"{self.owner}.{self.attribute}" if self.owner else self.attribute


def find_strays(model: nn.Module) -> list[Stray]:
    """All strays of the model and of the stray modules themselves, in the order of the tree."""
    registered = {id(module) for module in model.modules()}
    tensors = registered_tensors(model)
    found: list[Stray] = []
    queue: deque[tuple[str, nn.Module]] = deque(model.named_modules())
    while queue:
        path, module = queue.popleft()
        for attribute, value in plain_attributes(module):
            if isinstance(value, nn.Module):
                if id(value) in registered:
                    continue
                found.append(Stray("module", path, attribute, value))
                below = f"{path}.{attribute}" if path else attribute
                for name, child in value.named_modules():
                    if id(child) not in registered:
                        registered.add(id(child))
                        queue.append((f"{below}.{name}" if name else below, child))
                tensors |= registered_tensors(value)
            elif id(value) not in tensors and storage_of(value) not in tensors:
                tensors.add(id(value))
                leaf = value.is_leaf and value.requires_grad
                found.append(Stray("parameter" if leaf else "tensor", path, attribute, value))
    held = {id(p) for stray in found if stray.kind == "module" for p in stray.value.parameters()}
    return [stray for stray in found if stray.kind == "module" or id(stray.value) not in held]


def registered_tensors(model: nn.Module) -> set[Any]:
    """Ids of the parameters and buffers, and the memory that they lie in."""
    found: set[Any] = set()
    for tensor in [*model.parameters(), *model.buffers()]:
        found.add(id(tensor))
        storage = storage_of(tensor)
        if storage is not None:
            found.add(storage)
    return found


def storage_of(tensor: Tensor) -> tuple[str, int] | None:
    """The memory of a tensor, to tell aliases; None where it has none."""
    try:
        pointer = tensor.untyped_storage().data_ptr()
    except Exception:  # uninitialised, sparse, wrapped
        return None
    return ("memory", pointer) if pointer else None


def plain_attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """(name, module or tensor) of the unregistered attributes, containers looked through."""
    torch_own = type(module).__module__.startswith("torch.")
    for name, value in list(vars(module).items()):
        if name in INTERNAL or (torch_own and name.startswith("_")) or name == "_flat_weights":
            continue
        if any(f"{name}{end}" in module._parameters for end in DERIVED):
            continue
        yield from inside(name, value, 0, set())


def inside(name: str, value: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (nn.Module, Tensor)):
        yield name, value
        return
    if depth >= DEPTH or id(value) in seen:
        return
    if isinstance(value, CONTAINERS):
        seen.add(id(value))
        for i, item in zip(range(ITEMS), list(value), strict=False):
            yield from inside(f"{name}[{i}]", item, depth + 1, seen)
    elif isinstance(value, Mapping):
        seen.add(id(value))
        try:
            items = list(value.items())[:ITEMS]
        except Exception:  # a mapping of the user's that cannot be listed
            return
        for key, item in items:
            yield from inside(f"{name}[{key!r}]", item, depth + 1, seen)


def record_of(stray: Stray, owner: nn.Module | None) -> StrayTensor:
    """The stray as a record. ``used`` is set by the trace, which sees what is read."""
    value = stray.value
    location = assignment_location(type(owner), stray.attribute) if owner is not None else None
    if isinstance(value, nn.Module):
        parameters = list(value.parameters())
        return StrayTensor(
            kind="module",
            owner=stray.owner,
            attribute=stray.attribute,
            cls=f"{type(value).__module__}.{type(value).__qualname__}",
            requires_grad=any(parameter.requires_grad for parameter in parameters),
            used=False,
            parameters=sum(count_of(parameter) for parameter in parameters),
            location=location,
        )
    return StrayTensor(
        kind="parameter" if stray.kind == "parameter" else "tensor",
        owner=stray.owner,
        attribute=stray.attribute,
        shape=[int(size) for size in value.shape],
        cls=type(value).__name__,
        requires_grad=bool(value.requires_grad),
        used=False,
        parameters=value.numel() if stray.kind == "parameter" else 0,
        location=location,
    )


def assignment_location(cls: type, attribute: str) -> Location | None:
    """The line ``self.blocks = …`` of the class or one of its bases; where there is none, the class itself."""
    name = re.escape(re.split(r"[.\[]", attribute)[0])
    pattern = re.compile(rf"\bself\.{name}\b\s*(:[^=]+)?=(?!=)")
    for base in cls.__mro__:
        if base.__module__.startswith("torch.") or base is object:
            break
        try:
            lines, first = inspect.getsourcelines(base)
            filename = inspect.getsourcefile(base)
        except (OSError, TypeError):
            continue
        for i, text in enumerate(lines):
            if filename and pattern.search(text):
                return location_at(filename, first + i, f"{base.__qualname__}.__init__")
    return class_location(cls)


def count_of(parameter: Tensor) -> int:
    """Elements; an uninitialised parameter has none yet."""
    return 0 if uninitialised(parameter) else parameter.numel()


def uninitialised(tensor: Tensor) -> bool:
    """A lazy module's, before its first forward."""
    return isinstance(tensor, (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer))
