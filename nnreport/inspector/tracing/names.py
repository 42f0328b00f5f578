"""Operations by the names that users know, and their literal arguments by the names that the documentation uses.

``a - b``, ``a.sub(b)``, ``torch.subtract(a, b)`` and ``a.sub_(b)`` are all ``sub``; ``1 - x`` is ``sub`` with the literal
``input=1`` (its one tensor is then ``other``), so that ``"input" in attributes`` tells ``1 / x`` from ``x / 1``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import torch

from nnreport.facts import Scalar

Literal = Scalar | list[int]


def words(text: str) -> frozenset[str]:
    """A set of names, written as a text."""
    return frozenset(text.split())


SYNONYMS = {
    "true_divide": "div", "divide": "div", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder",
    "multiply": "mul", "subtract": "sub", "negative": "neg", "concat": "cat", "concatenate": "cat", "absolute": "abs",
    "clip": "clamp", "swapaxes": "transpose", "swapdims": "transpose", "moveaxis": "movedim", "expit": "sigmoid",
    "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh",
    "greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le", "not_equal": "ne", "fix": "trunc",
    "max_pool1d_with_indices": "max_pool1d", "max_pool2d_with_indices": "max_pool2d", "max_pool3d_with_indices": "max_pool3d",
    "adaptive_max_pool1d_with_indices": "adaptive_max_pool1d", "adaptive_max_pool2d_with_indices": "adaptive_max_pool2d",
    "adaptive_max_pool3d_with_indices": "adaptive_max_pool3d", "index_put": "setitem", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "invert": "bitwise_not", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
REVERSED = {
    "rsub": "sub", "rdiv": "div", "rtruediv": "div", "rpow": "pow", "rfloordiv": "floor_divide", "rmod": "remainder",
    "radd": "add", "rmul": "mul", "rmatmul": "matmul", "rand": "bitwise_and", "ror": "bitwise_or", "rxor": "bitwise_xor",
}  # fmt: skip
"""Python's reflected operators. Only as ``__rsub__``: ``torch.rand`` makes random numbers."""
IN_PLACE_OPERATORS = frozenset(
    f"__i{name}__" for name in words("add sub mul div truediv floordiv mod pow and or xor lshift rshift matmul")
)
SYNCS = {
    "item": "item", "tolist": "tolist", "numpy": "numpy", "__array__": "numpy", "cpu": "cpu", "__bool__": "bool",
    "__float__": "float", "__int__": "int", "__index__": "int", "__complex__": "complex", "__repr__": "print",
    "__str__": "print", "__format__": "print",
    "__dlpack__": "dlpack", "equal": "equal", "allclose": "allclose", "is_nonzero": "bool",
}  # fmt: skip
"""Functions that wait for the device or leave torch."""
ZERO_GRADIENT = frozenset({"round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside", "bernoulli", "floor_divide"})
"""Differentiable on paper, with a gradient that is zero everywhere."""
TEXT = 120
"""Longest literal string kept."""
LENGTH = 16
"""Longest literal list kept."""


def raw_name(function: Any) -> str:
    """The function's own name; of a property access the property's, of an ATen overload the operator's."""
    name = getattr(function, "__name__", "") or type(function).__name__
    if name == "__get__":
        return str(getattr(getattr(function, "__self__", None), "__name__", name))
    packet = getattr(function, "_overloadpacket", None)
    return str(packet.__name__) if packet is not None else str(name)


def operation_name(raw: str) -> tuple[str, bool]:
    """(the name as the documentation has it, the operands stand in reverse)."""
    if raw.startswith("__") and raw.endswith("__"):
        name = raw[2:-2]
        if name in REVERSED:
            return REVERSED[name], True
        if raw in IN_PLACE_OPERATORS:
            name = name[1:]
        return SYNONYMS.get(name, name), False
    name = raw.strip("_").removeprefix("special_")
    if name == "rsub":
        return "sub", True
    return SYNONYMS.get(name, name), False


# ------------------------------------------------------------------------------------------------------------- literals

_signatures: dict[Any, list[str] | None] = {}
_schemas: dict[tuple[str, tuple[Any, ...]], list[str]] = {}
RENAMED = {"self": "input", "probability": "p"}


def literals(
    function: Any, name: str, raw: str, args: Sequence[Any], kwargs: Mapping[str, Any], backwards: bool
) -> dict[str, Literal]:
    """The arguments that are no tensors, by name: ``{"dim": -1}``, ``{"p": 0.5, "training": False}``.

    Those that equal None are left out, and containers of tensors are not literals.
    """
    if name in ("getitem", "setitem"):
        return {"index": index_text(args[1])} if len(args) > 1 else {}
    found: dict[str, Literal] = {}
    if name == "einsum" and args and isinstance(args[0], str):
        return {"equation": args[0][:TEXT]}
    if backwards:
        for key, value in zip(("other", "input"), args, strict=False):
            keep(found, key, value)
        return found
    names = argument_names(function, name, raw, args)
    if names and len(args) > len(names) and all(isinstance(value, int) for value in args[len(names) - 1 :]):
        keep(found, names[-1], list(args[len(names) - 1 :]))  # x.view(2, 3): one list given as many arguments
        args = args[: len(names) - 1]
    for i, value in enumerate(args):
        if not isinstance(value, torch.Tensor):
            label = names[i] if i < len(names) else f"argument{i}"
            keep(found, "dtype" if isinstance(value, torch.dtype) else label, value)
    for key, value in kwargs.items():
        keep(found, RENAMED.get(key, key), value)
    if inspect.isfunction(function):
        add_defaults(found, function, len(args), kwargs)
    return found


def add_defaults(found: dict[str, Literal], function: Any, given: int, kwargs: Mapping[str, Any]) -> None:
    """What a Python function takes when nothing is said: ``F.dropout(x)`` drops half, in training mode."""
    function = inspect.unwrap(function)
    defaults = getattr(function, "__defaults__", None)
    if not defaults or getattr(function, "__code__", None) is None:
        return
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    for i, (name, value) in enumerate(zip(names[-len(defaults) :], defaults, strict=True), len(names) - len(defaults)):
        if i >= given and name not in kwargs:
            keep(found, name, value)


def keep(found: dict[str, Literal], name: str, value: Any) -> None:
    literal = as_literal(value)
    if literal is not None and not name.startswith("_"):
        found[name] = literal


def as_literal(value: Any) -> Literal:
    """A value as plain data, or None for what is none (tensors, functions, long lists)."""
    if value is None or isinstance(value, torch.Tensor):
        return None
    if isinstance(value, (bool, int, float)):
        return int(value) if type(value).__name__ == "SymInt" else finite(value)
    if isinstance(value, str):
        return value[:TEXT]
    if isinstance(value, (torch.dtype, torch.device, torch.memory_format, torch.layout)):
        return str(value).removeprefix("torch.")
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (list, tuple)) and len(value) <= LENGTH:
        if all(isinstance(item, int) for item in value):
            return [int(item) for item in value]
        if not any(isinstance(item, (torch.Tensor, list, tuple, dict)) for item in value):
            return str(tuple(value))[:TEXT]
    return None


def finite(value: bool | int | float) -> bool | int | float | str:
    """JSON has no infinity and no NaN: those travel as text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)
    return value


def index_text(index: Any) -> str:
    """``[:, 0, ...]`` as the user would write it, tensors as their dtype."""
    if isinstance(index, tuple):
        return ", ".join(map(index_text, index[:LENGTH]))
    if isinstance(index, slice):
        ends = ["" if end is None else index_text(end) for end in (index.start, index.stop)]
        return ":".join([*ends, index_text(index.step)] if index.step is not None else ends)
    if index is Ellipsis:
        return "..."
    if isinstance(index, torch.Tensor):
        return str(index.dtype).removeprefix("torch.")
    if isinstance(index, list):
        return "list"
    return str(index)[:24]


def argument_names(function: Any, name: str, raw: str, args: Sequence[Any]) -> list[str]:
    """Names of the positional parameters: from the signature of a Python function, else from torch's operator schemas."""
    try:
        if function not in _signatures:
            _signatures[function] = signature_names(function)
        names = _signatures[function]
    except TypeError:
        names = signature_names(function)
    if names is not None:
        return names
    key = (raw, tuple(type(value) for value in args))
    if key not in _schemas:
        _schemas[key] = schema_names(raw, name, args)
    return _schemas[key]


def signature_names(function: Any) -> list[str] | None:
    if not inspect.isfunction(function):
        return None
    function = inspect.unwrap(function)
    if not inspect.isfunction(function):
        return None
    code = function.__code__
    if code.co_flags & inspect.CO_VARARGS:  # a dispatcher such as max_pool2d's: the schema knows better
        return None
    names = code.co_varnames[: code.co_argcount]
    return ["input" if each == "self" else each for each in names]


def schema_names(raw: str, name: str, args: Sequence[Any]) -> list[str]:
    """Positional parameter names of the first operator schema that takes such arguments."""
    for operator in dict.fromkeys((raw, raw.rstrip("_"), raw.strip("_"), name)):
        try:
            schemas = torch._C._jit_get_schemas_for_operator(f"aten::{operator}")
        except (RuntimeError, AttributeError):
            continue
        best: list[str] = []
        longest: list[str] = []
        for schema in schemas:
            arguments = [argument for argument in schema.arguments if not argument.kwarg_only]
            names = [RENAMED.get(argument.name, argument.name) for argument in arguments]
            longest = max(longest, names, key=len)
            if all(fits(value, str(argument.type)) for value, argument in zip(args, arguments, strict=False)):
                if len(names) >= len(args):
                    return names
                if not best and arguments and "List" in str(arguments[-1].type):
                    best = names
        if best:
            return best
        if schemas:
            return longest if len(longest) >= len(args) else []
    return []


def fits(value: Any, kind: str) -> bool:
    """Can a schema's parameter of this type take the value?"""
    kind = kind.removeprefix("Optional[").rstrip("]") if kind.startswith("Optional[") else kind
    if value is None:
        return True
    if isinstance(value, torch.Tensor):
        return kind in ("Tensor", "number", "Scalar", "Any")
    if isinstance(value, bool):
        return kind in ("bool", "number", "Scalar")
    if isinstance(value, int):
        return kind in ("int", "SymInt", "float", "number", "Scalar") or kind.startswith(("List[int", "List[SymInt"))
    if isinstance(value, float):
        return kind in ("float", "number", "Scalar") or kind.startswith("List[float")
    if isinstance(value, str):
        return kind in ("str", "Dimname") or kind.startswith("Dimname")
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], torch.Tensor):
            return kind.startswith(("List[Tensor", "List[Optional[Tensor"))
        return kind.startswith("List[")
    return kind in ("int", "Device", "Any") or not kind.startswith(("List", "Tensor"))
