"""What in a Python module could be the model: classes, factories and instances."""

from __future__ import annotations

import inspect
import types
from dataclasses import dataclass

from torch import nn

_LIMIT = 12


@dataclass(frozen=True)
class Candidates:
    """Names in the order of the file, those of its own only (imported ones left out)."""

    classes: tuple[str, ...]
    instances: tuple[str, ...]
    functions: tuple[str, ...]
    generators: tuple[str, ...] = ()
    """Functions that yield: no factories, but data."""
    package: bool = False

    def listed(self, generators: bool = False) -> str:
        """``the module classes Net, Block, the instance net and the function make``; ``""`` if there is nothing."""
        parts = [
            _named("module class", "module classes", self.classes),
            _named("instance", "instances", self.instances),
            _named("function", "functions", self.functions + (self.generators if generators else ())),
        ]
        parts = [part for part in parts if part]
        return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def _named(one: str, many: str, names: tuple[str, ...]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:_LIMIT]) + (f" and {len(names) - _LIMIT} more" if len(names) > _LIMIT else "")
    return f"the {one if len(names) == 1 else many} {shown}"


def candidates(module: types.ModuleType) -> Candidates:
    """Of a Python file; of a package, what it offers at its top."""
    file = not hasattr(module, "__path__")
    classes: list[str] = []
    instances: list[str] = []
    functions: list[str] = []
    generators: list[str] = []
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, nn.Module):
            instances.append(name)
        elif isinstance(value, type):
            if issubclass(value, nn.Module) and (not file or value.__module__ == module.__name__):
                classes.append(name)
        elif inspect.isfunction(value) and value.__module__ == module.__name__:
            (generators if inspect.isgeneratorfunction(value) else functions).append(name)
    return Candidates(tuple(classes), tuple(instances), tuple(functions), tuple(generators), not file)
