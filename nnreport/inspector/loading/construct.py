"""A class, factory or instance to a model: our call judged apart from what the constructor does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import Failure
from nnreport.inspector.loading.signatures import bind_error, shown_signature
from nnreport.inspector.tracebacks import failure_of, one_line, qualified
from nnreport.spec import Reference

COMPILE_NOTE = "torch.compile was left out: the report is of the model in eager mode."


@dataclass
class Construction:
    model: nn.Module | None
    failure: Failure | None = None
    notes: list[str] = field(default_factory=list)


def construct(value: Any, reference: Reference) -> Construction:
    """The model. Raises UsageError where ``value`` is none or cannot be called so; a constructor that fails is a failure."""
    text = reference.text
    if isinstance(value, nn.Module):
        if reference.called:
            raise UsageError(f"{text}: {reference.name} is an instance already; write it without parentheses")
        model, notes = unwrap(value)
        return Construction(_checked(model, reference), notes=notes)
    if isinstance(value, type) and not issubclass(value, nn.Module):
        raise UsageError(f"{text}: the class {reference.name} is no torch.nn.Module{_kinship(value)}")
    if not callable(value):
        raise UsageError(f"{text}: {reference.name} is {_a(value)}, not a Module class, a factory function or a Module instance")
    try:
        made = call(value, reference)
    except UsageError:
        raise
    except SystemExit as stop:
        failure = failure_of(stop, "construct", hint="a constructor that ends the program cannot be used")
        return Construction(None, failure)
    except Exception as error:
        return Construction(None, _failure(error, reference, value))
    if not isinstance(made, nn.Module):
        raise UsageError(_not_a_module(made, reference))
    model, notes = unwrap(made)
    return Construction(_checked(model, reference), notes=notes)


def call(value: Any, reference: Reference) -> Any:
    """``value(*args, **kwargs)`` as written. Raises UsageError, with the signature, where the arguments do not fit."""
    misfit, signature = bind_error(value, reference.args, reference.kwargs)
    if misfit:
        name = reference.name
        need = f"{reference.text}: {name}{shown_signature(signature)}: {misfit}"
        raise UsageError(f"{need}; {_how_to_give(value, reference, misfit)}")
    return value(*reference.args, **reference.kwargs)


def _how_to_give(value: Any, reference: Reference, misfit: str) -> str:
    where = reference.where
    wants = misfit.rpartition("'")[0].rpartition("'")[2] if misfit.startswith("missing") else ""
    module = getattr(value, "__module__", "") or ""
    if wants == "config" and module.startswith("transformers."):
        config = getattr(getattr(value, "config_class", None), "__name__", "AutoConfig")
        return (
            f"a Hugging Face model is built from a config: write a file with def make(): return "
            f"{value.__name__}({config}()) and give that file:make"
        )
    if not wants:
        return f"write them as in '{where}:{reference.name}(…)'"
    return f"write it in the parentheses: '{where}:{reference.name}({wants}=…)', or a factory function where it is no literal"


def _failure(error: Exception, reference: Reference, value: Any) -> Failure:
    failure = failure_of(error, "construct", hint=_hint(error))
    if not any(frame.location.user for frame in failure.frames):
        # nothing of the user's ran: what the command line asked for is what the package refuses
        raise UsageError(f"{reference.text}: {one_line(error)}") from None
    if not failure.cls and isinstance(value, type):
        failure.cls = qualified(value)
    return failure


def _hint(error: Exception) -> str:
    message = str(error)
    if isinstance(error, AttributeError) and "before Module.__init__() call" in message:
        return "call super().__init__() first in __init__"
    if isinstance(error, AttributeError) and ("'_modules'" in message or "'_parameters'" in message):
        return "call super().__init__() first in __init__"
    return ""


def _not_a_module(made: Any, reference: Reference) -> str:
    line = f"{reference.text}: {reference.name} returned {_a(made)}, not a torch.nn.Module"
    if isinstance(made, (tuple, list, dict)):
        items = made.items() if isinstance(made, dict) else enumerate(made)
        holders = [key for key, item in items if isinstance(item, nn.Module)]
        if holders:
            return f"{line}; its item {holders[0]!r} is one: write a function that returns that alone"
    if made is None:
        return f"{line}; does it lack a return?"
    if isinstance(made, type) and issubclass(made, nn.Module):
        return f"{line} but a class; return an instance"
    return line


def unwrap(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """The model inside DataParallel, DistributedDataParallel or torch.compile, and a note for each that was taken off."""
    notes = []
    while True:
        name = type(model).__name__
        if name == "OptimizedModule" and isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            notes.append(COMPILE_NOTE)
        elif name in ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel") and isinstance(
            inner := getattr(model, "module", None), nn.Module
        ):
            notes.append(f"{name} was taken off: the report is of the module inside.")
        else:
            return model, notes
        model = inner


def _checked(model: nn.Module, reference: Reference) -> nn.Module:
    if isinstance(model, torch.jit.ScriptModule):
        raise UsageError(
            f"{reference.text} is a compiled torch.jit module, which has no Python code to look at: name the class it was made of"
        )
    return model


@contextlib.contextmanager
def eager() -> Iterator[list[bool]]:
    """Inside, ``torch.compile`` gives back what it is given: compiling hides the modules, and costs seconds.

    Yields a list that is not empty once it was called.
    """
    original, called = torch.compile, []

    def compile(model: Any = None, **options: Any) -> Any:
        called.append(True)
        return model if model is not None else lambda function: function

    torch.compile = compile
    try:
        yield called
    finally:
        torch.compile = original


def _kinship(value: type) -> str:
    for base in value.__mro__:
        if base.__module__.startswith(("keras", "tensorflow", "flax", "jax")):
            return f" but of {base.__module__.partition('.')[0]}; nnreport reads PyTorch models"
    return ""


def _a(value: Any) -> str:
    name = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        return f"a {name} of {len(value)}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
