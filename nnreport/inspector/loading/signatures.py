"""What ``forward`` takes, from its signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

_QUOTED_ANNOTATION = re.compile(r": '([^']*)'(?=[,)]| =)")
_MODULE_PREFIX = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")


@dataclass(frozen=True)
class Forward:
    """The parameters of a model's ``forward``."""

    signature: inspect.Signature | None
    """None where it cannot be read (C code, a broken definition)."""
    positional: tuple[str, ...]
    """Names that can be given by position, in order."""
    required: tuple[str, ...]
    """Names without a default, positional and keyword-only."""
    names: frozenset[str]
    """All that can be given by keyword."""
    any_positional: bool
    any_keyword: bool

    def accepts(self, name: str) -> bool:
        return name in self.names or self.any_keyword

    def shown(self) -> str:
        """``forward(x, mask=None)``."""
        return f"forward{shown_signature(self.signature)}"


def forward_of(model: nn.Module) -> Forward:
    """Of a module, as it will be called (``self`` left out)."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return Forward(None, (), (), frozenset(), True, True)
    positional, required, names = [], [], set()
    any_positional = any_keyword = False
    for parameter in signature.parameters.values():
        kind = parameter.kind
        if kind is parameter.VAR_POSITIONAL:
            any_positional = True
            continue
        if kind is parameter.VAR_KEYWORD:
            any_keyword = True
            continue
        if kind is not parameter.KEYWORD_ONLY:
            positional.append(parameter.name)
        if kind is not parameter.POSITIONAL_ONLY:
            names.add(parameter.name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return Forward(signature, tuple(positional), tuple(required), frozenset(names), any_positional, any_keyword)


def lacks_self(model: nn.Module) -> bool:
    """``def forward(x)`` in the class: once bound, its parameter is the module itself. The user's fault, seen when it runs."""
    function = getattr(type(model), "forward", None)
    code = getattr(function, "__code__", None)
    return (
        code is not None
        and (code.co_argcount == 0 or code.co_varnames[0] not in ("self", "_self", "this", "module"))
        and (not code.co_flags & inspect.CO_VARARGS)
    )


def shown_signature(signature: inspect.Signature | None) -> str:
    """A signature as a user would write it: no annotations of return, no module prefixes; ``(…)`` if unknown."""
    if signature is None:
        return "(…)"
    text = str(signature.replace(return_annotation=inspect.Signature.empty))
    return _MODULE_PREFIX.sub("", _QUOTED_ANNOTATION.sub(r": \1", text))


def bind_error(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, inspect.Signature | None]:
    """Why a call with these arguments does not fit the signature, ``""`` if it does (or nobody can tell), and the signature."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "", None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error), signature
    return "", signature
