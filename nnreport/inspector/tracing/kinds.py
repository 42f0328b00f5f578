"""What a torch function is to the recorder: an operation, a question, a write in place, a value that leaves torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nnreport.inspector.tracing.names import IN_PLACE_OPERATORS, operation_name, raw_name, words

PROPERTIES = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
"""Properties of a tensor that are operations; the others (shape, dtype, …) are questions."""
QUESTIONS = words("""
    size dim stride numel nelement is_contiguous __len__ storage_offset data_ptr element_size is_floating_point is_complex
    get_device is_signed is_storage is_tensor _set_grad_enabled requires_grad_ retain_grad register_hook backward __hash__
    __deepcopy__ __reduce_ex__ __setstate__ __dir__ untyped_storage storage is_same_size result_type can_cast is_pinned is_shared
    is_inference has_names is_set_to ndimension manual_seed broadcast_shapes register_post_accumulate_grad_hook
""")
VALUE_FREE = ("_like", "new_")
"""Results of these do not depend on their input's values."""
COMPARISONS = words("""
    gt lt ge le eq ne isnan isinf isfinite isneginf isposinf signbit logical_not logical_and logical_or logical_xor isclose
    bitwise_not bitwise_and bitwise_or bitwise_xor
""")
"""Masks: the gradient ends there, as everybody expects; no cut worth a mark."""


class Kind(NamedTuple):
    """What a torch function is to us."""

    raw: str
    name: str
    backwards: bool
    ignored: bool


class Kinds:
    """The kind of each function, worked out once."""

    def __init__(self) -> None:
        self.known: dict[Any, Kind] = {}

    def of(self, function: Any) -> Kind:
        try:
            kind = self.known.get(function)
        except TypeError:  # a callable of the user's that cannot be hashed
            return kind_of(function)
        if kind is None:
            kind = self.known[function] = kind_of(function)
        return kind


def kind_of(function: Any) -> Kind:
    raw = raw_name(function)
    name, backwards = operation_name(raw)
    getter = getattr(function, "__name__", "") == "__get__"
    setter = getattr(function, "__name__", "") in ("__set__", "__delete__")
    return Kind(raw, name, backwards, raw in QUESTIONS or setter or (getter and raw not in PROPERTIES))


def calling_keywords(module: nn.Module) -> dict[str, Any]:
    """The keyword arguments of the module call that is raising: torch passes them to no hook, but its frame has them."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_call_impl" and frame.f_locals.get("self") is module:
            found = frame.f_locals.get("kwargs")
            return found if isinstance(found, dict) else {}
        frame = frame.f_back
    return {}


def in_chain(inner: BaseException, outer: BaseException) -> bool:
    """``outer`` is ``inner``, or was raised because of it."""
    seen: set[int] = set()
    each: BaseException | None = outer
    while each is not None and id(each) not in seen:
        if each is inner:
            return True
        seen.add(id(each))
        each = each.__cause__ or each.__context__
    return False


def is_in_place(raw: str, kwargs: Mapping[str, Any]) -> bool:
    """Does the name say that the function changes its first argument? ``relu_``, ``x[i] = y``, ``x += y``, ``inplace=True``."""
    if raw.startswith("__"):
        return raw == "__setitem__" or raw in IN_PLACE_OPERATORS
    return raw.endswith("_") or kwargs.get("inplace") is True


def unwrapped(tensor: Tensor) -> Tensor:
    """What vmap and the like wrap: the tensor that the outside knows."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def in_custom_function(frame: FrameType | None) -> bool:
    """Inside ``torch.autograd.Function.forward(ctx, …)``: gradients are off there, and given back by its ``backward``."""
    depth = 0
    while frame is not None and depth < 12:
        code = frame.f_code
        if code.co_name == "forward" and code.co_varnames[:1] == ("ctx",):
            return True
        frame, depth = frame.f_back, depth + 1
    return False
