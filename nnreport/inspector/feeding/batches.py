"""What the user's data gives, told apart: inputs and target of one batch.

The rules, in order:

* a tensor is the input and the target (an autoencoder);
* a dict: keys that ``forward`` has as parameters are keyword inputs; ``labels``, ``label``, ``targets``, ``target`` or ``y``
  is the target (and an input too where ``forward`` takes it: a Hugging Face model that computes its own loss). Where no key is
  a parameter, a key such as ``x``, ``input``, ``image`` or ``features`` (or the only one left) is the one input;
* ``(inputs, target)``: inputs is a tensor, a tuple or list (several inputs) or a dict (keyword inputs, as above);
* a pair of tensors is two inputs and no target only where ``forward`` cannot be called with one: it requires two;
* three or more: all are inputs where ``forward`` requires so many, else the last is the target.

Arrays of NumPy become tensors of the same dtype.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from nnreport.errors import UsageError
from nnreport.inspector.feeding.nested import leaves, map_leaves
from nnreport.inspector.loading.signatures import Forward

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
INPUT_KEYS = ("x", "input", "inputs", "image", "images", "img", "features", "data", "pixel_values", "input_ids", "input_values")


@dataclass
class Batch:
    """``model(*args, **kwargs)``, and what its output is compared with (None: unknown)."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    target: Any = None

    @property
    def size(self) -> int:
        """Samples: the leading axis of the first tensor input; 0 if there is none."""
        for _, leaf in leaves((self.args, self.kwargs)):
            if isinstance(leaf, torch.Tensor) and leaf.dim():
                return int(leaf.shape[0])
        return 0


def looks_like_batch(value: Any) -> bool:
    """One batch, rather than a list of batches.

    A tensor, a dict with tensors, a tuple or list that begins with a tensor; or a tuple that begins with several inputs (a tuple,
    list or dict) and ends with a tensor.
    """
    if _is_array(value):
        return True
    if isinstance(value, Mapping):
        return any(_is_array(item) for item in value.values())
    if isinstance(value, (tuple, list)) and value:
        first, last = value[0], value[-1]
        if _is_array(first):
            return True
        return isinstance(value, tuple) and isinstance(first, (tuple, list, Mapping)) and len(value) >= 2 and _is_array(last)
    return False


def split(value: Any, forward: Forward, what: str) -> Batch:
    """The batch, by the rules above. Raises UsageError, beginning with ``what``, where it is none."""
    value = map_leaves(value, _to_tensor)
    if isinstance(value, torch.Tensor):
        return Batch((value,), {}, value)
    if isinstance(value, Mapping):
        return _of_dict(dict(value), forward, what)
    if isinstance(value, (tuple, list)):
        return _of_sequence(tuple(value), forward, what)
    raise UsageError(f"{what} gave {_shown(value)}, which is no batch: write (inputs, target), a dict or a tensor")


def _of_sequence(value: tuple[Any, ...], forward: Forward, what: str) -> Batch:
    if not any(isinstance(leaf, torch.Tensor) for _, leaf in leaves(value)):
        raise UsageError(f"{what} gave {_shown(value)} without tensors, which is no batch: write (inputs, target)")
    if len(value) == 1:
        inner = value[0]
        return split(inner, forward, what) if not isinstance(inner, torch.Tensor) else Batch((inner,), {}, inner)
    first, target = value[0], value[-1]
    needed = len(forward.required)
    if len(value) == 2:
        if isinstance(first, Mapping):
            named = _of_dict(dict(first), forward, what)
            return Batch(named.args, named.kwargs, target)
        if isinstance(first, (tuple, list)):
            return Batch(tuple(first), {}, target)
        if needed == 2 and isinstance(target, torch.Tensor):
            return Batch((first, target), {}, None)
        return Batch((first,), {}, target)
    if needed >= len(value):
        return Batch(value, {}, None)
    inputs = value[:-1]
    most = len(forward.positional) if not forward.any_positional else len(inputs)
    return Batch(inputs[: max(1, most)], {}, target)


def _of_dict(value: dict[Any, Any], forward: Forward, what: str) -> Batch:
    target = next((value[key] for key in TARGET_KEYS if key in value), None)
    kwargs = {key: item for key, item in value.items() if isinstance(key, str) and key in forward.names}
    if forward.any_keyword and not kwargs:
        kwargs = {key: item for key, item in value.items() if isinstance(key, str) and key not in TARGET_KEYS}
    if any(isinstance(leaf, torch.Tensor) for key, item in kwargs.items() if key not in TARGET_KEYS for _, leaf in leaves(item)):
        return Batch((), kwargs, target)
    rest = {key: item for key, item in value.items() if key not in TARGET_KEYS}
    held = {key: item for key, item in rest.items() if any(isinstance(leaf, torch.Tensor) for _, leaf in leaves(item))}
    if not held:
        raise UsageError(f"{what} gave a dict with {_keys(value)} and no tensor for the model: {forward.shown()}")
    name = next((key for key in INPUT_KEYS if key in held), next(iter(held)) if len(held) == 1 else None)
    if name is not None and len(forward.required) <= 1 and (len(held) == 1 or len(forward.positional) <= 1):
        return Batch((held[name],), {}, target)
    if len(forward.required) == 1:
        return Batch((rest,), {}, target)
    raise UsageError(f"{what} gave a dict with {_keys(value)}; {forward.shown()} has none of these parameters")


def _keys(value: Mapping[Any, Any]) -> str:
    return ", ".join(str(key) for key in list(value)[:8])


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (type(value).__module__ == "numpy" and hasattr(value, "dtype"))


def _to_tensor(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor) or not _is_array(leaf):
        return leaf
    import numpy

    if leaf.dtype.kind in "OUSVMm":
        return leaf
    return torch.from_numpy(numpy.array(leaf))


def _shown(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inside = ", ".join(type(item).__name__ for item in value[:4])
        return f"a {type(value).__name__} of {len(value)} ({inside})"
    return f"a {type(value).__name__}" if value is not None else "None"
