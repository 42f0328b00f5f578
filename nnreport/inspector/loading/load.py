"""TARGET to a module.

Wrong usage (no such class, wrong constructor arguments, a package that is missing) is a :class:`~nnreport.errors.UsageError` of
one line. A constructor of the user's that was called rightly and raises is a finding: ``Loaded.failure`` says where.
"""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import Failure, Location, Scalar, Target
from nnreport.inspector.clone import can_rebuild
from nnreport.inspector.environment import without_folders
from nnreport.inspector.loading.candidates import candidates
from nnreport.inspector.loading.construct import COMPILE_NOTE, Construction, call, construct, eager
from nnreport.inspector.loading.importing import import_reference, importing, resolve
from nnreport.inspector.loading.signatures import bind_error
from nnreport.inspector.locate import class_location, location_at
from nnreport.inspector.seeding import seeded
from nnreport.inspector.tracebacks import qualified
from nnreport.spec import Reference, parse_reference, parse_target


@dataclass
class Loaded:
    """What TARGET gave."""

    model: nn.Module | None
    target: Target
    python: types.ModuleType | None
    """The user's file as a module (for ``example_inputs()``)."""
    path: Path | None
    """The file, where TARGET names one."""
    rebuild: Callable[[], nn.Module] | None
    """Makes the same model anew (same seed); None for an instance."""
    state: Path | None
    """A state dict alone: a file, an index of shards, or their folder."""
    failure: Failure | None
    """The constructor raised; then there is no model."""
    notes: list[str] = field(default_factory=list)


def load_target(spec: str, seed: int) -> Loaded:
    """The model that TARGET names, built under a seed. Raises UsageError, one line, for wrong usage."""
    parsed = parse_target(spec)
    if parsed.state is not None:
        from nnreport.inspector.weighing.statedict import state_files

        state_files(parsed.state)  # a missing one is wrong usage, said here
        target = Target(spec=without_folders(spec), name=_state_name(parsed.state), kind="weights")
        return Loaded(None, target, None, parsed.state, None, parsed.state, None)
    reference = parsed.reference
    assert reference is not None
    with _own_ways(seed) as compiled:  # instances at the top of a file are random too
        python = import_reference(reference)
        if not reference.name:
            reference = _only_module(reference, python)
        value = resolve(reference)
    folder = reference.path.resolve().parent if reference.path is not None else Path.cwd()

    def build() -> Construction:
        with _own_ways(seed) as compiled, importing(folder):
            made = construct(value, reference)
        if compiled and COMPILE_NOTE not in made.notes:
            made.notes.append(COMPILE_NOTE)
        return made

    made = build()
    if compiled and COMPILE_NOTE not in made.notes:
        made.notes.append(COMPILE_NOTE)
    target = Target(
        spec=without_folders(spec),
        name=_name(reference, made.model),
        cls=qualified(type(made.model)) if made.model is not None else qualified(value) if isinstance(value, type) else "",
        location=_location(type(made.model) if made.model is not None else value),
        arguments=_arguments(value, reference),
    )

    def rebuild() -> nn.Module:
        second = build()
        if second.model is None:
            raise RuntimeError(f"the constructor failed the second time: {second.failure}")
        return second.model

    again = None if isinstance(value, nn.Module) else rebuild
    if made.model is not None and again is not None:
        can_rebuild(made.model, again)
    return Loaded(made.model, target, python, reference.path, again, None, made.failure, notes=made.notes)


@contextlib.contextmanager
def _own_ways(seed: int) -> Iterator[list[bool]]:
    """A seed, no compiler, and the grad mode put back (a ``set_grad_enabled(False)`` in a file is for its own script)."""
    with seeded(seed), eager() as compiled, torch.set_grad_enabled(True):
        yield compiled


def load_object(text: str, option: str, seed: int) -> Any:
    """What ``--data``, ``--loss`` or ``--optimizer`` name: ``FILE:NAME`` (or a package's), called if parentheses were written.

    The target's own file is not imported a second time. Raises UsageError, one line; what the user's call raises passes through.
    """
    reference = parse_reference(text, option)
    with seeded(seed):
        value = resolve(reference)
        if not reference.called:
            return value
        if not callable(value):
            raise UsageError(f"{option} {text}: {reference.name} is a {type(value).__name__}, write it without parentheses")
        folder = reference.path.resolve().parent if reference.path is not None else Path.cwd()
        with importing(folder):
            return call(value, reference)


def _only_module(reference: Reference, python: types.ModuleType) -> Reference:
    """The one Module that a file defines. Raises UsageError that names what is there."""
    found = candidates(python)
    where = reference.where
    if len(found.classes) == 1:
        name = found.classes[0]
        misfit, _ = bind_error(getattr(python, name), (), {})
        if misfit and len(found.instances) == 1:
            name = found.instances[0]
    elif not found.classes and len(found.instances) == 1:
        name = found.instances[0]
    elif found.classes or found.instances:
        names = found.classes or found.instances
        raise UsageError(f"{where} has {found.listed()}: say which, e.g. {where}:{names[-1]}")
    elif found.functions:
        raise UsageError(
            f"{where} defines no torch.nn.Module, but {found.listed()}: say which, e.g. {where}:{found.functions[0]}"
        )
    else:
        raise UsageError(f"{where} defines no Module, no function and no instance of one")
    return Reference(reference.text, reference.path, reference.module, name)


def _location(value: Any) -> Location | None:
    """Where a class or function is defined, decorators aside."""
    value = unwrap_function(value)
    code = getattr(value, "__code__", None)
    if code is not None:
        return location_at(code.co_filename, code.co_firstlineno)
    return class_location(value) if isinstance(value, type) else None


def unwrap_function(value: Any) -> Any:
    """The function under decorators that keep ``__wrapped__``."""
    try:
        return inspect.unwrap(value)
    except (ValueError, AttributeError, RecursionError):
        return value


def _name(reference: Reference, model: nn.Module | None) -> str:
    """Short name for titles and file names: as the user wrote it; for a package's factory the text it was given
    (``create_model("vit_tiny")`` is ``vit_tiny``)."""
    name = reference.name.rpartition(".")[2]
    if reference.path is None and reference.args and isinstance(reference.args[0], str):
        name = reference.args[0].rpartition("/")[2] or name
    return _clean(name) or (type(model).__name__ if model is not None else "model")


def _state_name(path: Path) -> str:
    name = path.resolve().name
    for suffix in (".index.json", path.suffix if path.is_file() else "", ".safetensors", ".bin"):
        name = name.removesuffix(suffix) if suffix else name
    return _clean(name) or "weights"


def _clean(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")


def _arguments(value: Any, reference: Reference) -> dict[str, Scalar]:
    """The constructor's arguments by name, as they were written."""
    try:
        bound = dict(inspect.signature(value).bind(*reference.args, **reference.kwargs).arguments)
    except (TypeError, ValueError):
        bound = {str(i): arg for i, arg in enumerate(reference.args)} | reference.kwargs
    return {name: arg if isinstance(arg, (str, int, float, bool, type(None))) else repr(arg) for name, arg in bound.items()}
