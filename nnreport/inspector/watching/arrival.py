"""Tells when torch has been imported: the script may set environment variables before that, so we do not import it first."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Arrival(importlib.abc.MetaPathFinder):
    """Calls ``then`` once, right after ``import name`` has run."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self.name, self.then = name, then
        self.finding = False

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.name or self.finding:
            return None
        self.finding = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.finding = False
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            self.then()

        loader.exec_module = exec_module
        return spec


def on_import(name: str, then: Callable[[], None]) -> None:
    """``then()`` when ``name`` is imported; at once if it is."""
    if name in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, Arrival(name, then))
