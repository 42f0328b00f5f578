"""A deep copy of a model that shares nothing with it, for all that may be tried on it.

``copy.deepcopy`` alone fails on non-leaf tensors kept on modules and on locks, generators and the like, forgets attributes set on
parameters, unties parameters that share memory under two objects, and leaves closures and weak references pointing at the
original. All of that is mended here.
"""

from __future__ import annotations

import copy
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from nnreport.errors import NNReportError

_rebuilders: weakref.WeakKeyDictionary[nn.Module, Callable[[], nn.Module]] = weakref.WeakKeyDictionary()

#: Values that cannot be copied and may be shared, found by trying; more than this many and the model is rebuilt instead.
_SHARE_LIMIT = 32
_DEPTH = 6


class CloneError(NNReportError):
    """The model cannot be copied; the message says why."""


def can_rebuild(model: nn.Module, rebuild: Callable[[], nn.Module]) -> None:
    """Remembers how to make the same model anew, for when it cannot be copied."""
    _rebuilders[model] = rebuild


def clone(model: nn.Module) -> nn.Module:
    """A copy with equal weights, buffers, flags and hooks, and no tensor or module in common with ``model``.

    Memory: one more model. ``.grad`` is not copied. Raises CloneError with a reason.
    """
    try:
        with torch.no_grad():  # else a ScriptModule's copied parameters hang on the user's own, and are no leaves
            copied = _copy(model)
    except Exception as error:
        return _rebuilt(model, error)
    _flag_alike(model, copied)
    return copied


def _flag_alike(model: nn.Module, copied: nn.Module) -> None:
    """A ScriptModule's copied parameters forget ``requires_grad``."""
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for name, parameter in copied.named_parameters():
        if parameter.is_leaf and parameter.requires_grad != flags.get(name, parameter.requires_grad):
            parameter.requires_grad_(flags[name])


def _rebuilt(model: nn.Module, reason: Exception) -> nn.Module:
    rebuild = _rebuilders.get(model)
    why = f"{type(reason).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}"
    if rebuild is None:
        raise CloneError(f"the model cannot be copied ({why})") from reason
    try:
        fresh = rebuild()
        fresh.load_state_dict(model.state_dict())
    except Exception as error:
        raise CloneError(f"the model can be neither copied ({why}) nor built again ({type(error).__name__})") from error
    first = next(model.parameters(), None)
    if first is not None:
        fresh.to(first.device)
    modules = dict(model.named_modules())
    for name, module in fresh.named_modules():
        if name in modules:
            module.training = modules[name].training
    _flag_alike(model, fresh)
    return fresh


def _copy(model: nn.Module) -> nn.Module:
    # the attempt that fails tells what cannot be copied: share it, and try again
    shared: dict[int, Any] = {}
    for _ in range(_SHARE_LIMIT):
        memo: dict[int, Any] = dict(shared)
        _detach_computed(model, memo)
        try:
            copied = copy.deepcopy(model, memo)
        except (TypeError, RuntimeError, NotImplementedError, ValueError, AttributeError) as error:
            found = _uncopyable(model, shared)
            if not found:
                raise error
            shared.update(found)
            continue
        break
    else:
        raise CloneError("too many of its attributes cannot be copied")
    if copied is model or not isinstance(copied, nn.Module):
        raise CloneError("its own __deepcopy__ gives no copy")
    _keep_attributes(model, memo)
    _share_memory_alike(model, copied)
    _turn_references(copied, memo)
    return copied


def _detach_computed(model: nn.Module, memo: dict[int, Any]) -> None:
    """Tensors that were computed (weight norm's weight, a cached output) are copied as values, without their graph.

    A lazy module's buffers, which torch cannot copy, are made anew.
    """
    for value in _reachable(model):
        if isinstance(value, nn.UninitializedBuffer) and id(value) not in memo:
            memo[id(value)] = nn.UninitializedBuffer(device=value.device, dtype=value.dtype)  # type: ignore[call-arg]
            continue
        if isinstance(value, torch.Tensor) and value.grad_fn is not None and id(value) not in memo:
            memo[id(value)] = value.detach().clone()


def _uncopyable(model: nn.Module, shared: dict[int, Any]) -> dict[int, Any]:
    """The innermost values that ``deepcopy`` refuses."""
    found: dict[int, Any] = {}
    for value in _reachable(model):
        if isinstance(value, (nn.Module, torch.Tensor, list, tuple, dict, set)) or id(value) in shared:
            continue
        memo: dict[int, Any] = {**shared, **found}
        _detach_computed(model, memo)
        try:
            copy.deepcopy(value, memo)
        except Exception:
            inner = [item for item in _inside(value) if not _plain(item)]
            if not any(_refuses(item, memo) for item in inner):
                found[id(value)] = value
    return found


def _refuses(value: Any, memo: dict[int, Any]) -> bool:
    try:
        copy.deepcopy(value, dict(memo))
    except Exception:
        return True
    return False


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, bytes, complex, type))


def _inside(value: Any) -> list[Any]:
    """What a value holds, one level down."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, types.MethodType):
        return [value.__self__]
    if isinstance(value, (types.ModuleType, types.FunctionType, type)):
        return []
    state = getattr(value, "__dict__", None)
    return list(state.values()) if isinstance(state, dict) else []


def _reachable(model: nn.Module) -> Iterator[Any]:
    """Every value on the model's modules and in what they hold, once, a few levels deep."""
    seen: set[int] = set()
    waiting: list[tuple[Any, int]] = [(module, 0) for module in model.modules()]
    while waiting:
        value, depth = waiting.pop()
        if id(value) in seen or _plain(value):
            continue
        seen.add(id(value))
        yield value
        if depth < _DEPTH or isinstance(value, nn.Module):
            below = 0 if isinstance(value, nn.Module) else depth + 1
            waiting.extend((item, below) for item in _inside(value))


def _keep_attributes(model: nn.Module, memo: dict[int, Any]) -> None:
    """What the user hung on parameters (``weight.no_decay = True``); torch's own copy leaves it off."""
    for parameter in model.parameters():
        extra = vars(parameter)
        copied = memo.get(id(parameter))
        if extra and copied is not None:
            for name, value in extra.items():
                if name not in vars(copied):
                    setattr(copied, name, memo[id(value)] if id(value) in memo else copy.deepcopy(value, memo))


def _share_memory_alike(model: nn.Module, copied: nn.Module) -> None:
    """Tensors that share memory under several objects (``a.weight.data = b.weight.data``) share it in the copy."""
    groups: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
    twins = dict(copied.named_parameters()) | dict(copied.named_buffers())
    for here in (model.named_parameters(), model.named_buffers()):
        for name, tensor in here:
            other = twins.get(name)
            if other is not None and (key := _storage(tensor)) is not None:
                groups[key].append((tensor, other))
    for pairs in groups.values():
        if len(pairs) < 2 or len({_storage(other) for _, other in pairs}) == 1:
            continue
        storage = pairs[0][0].detach().untyped_storage().clone()
        for tensor, other in pairs:
            view = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
            view.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())
            other.data = view


def _storage(tensor: torch.Tensor) -> int | None:
    """Address of its memory; None where it has none of its own (meta, sparse, not yet made)."""
    if tensor.is_meta or tensor.layout is not torch.strided or nn.parameter.is_lazy(tensor):
        return None
    try:
        address = tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return None
    return address or None


def _turn_references(copied: nn.Module, memo: dict[int, Any]) -> None:
    """Closures and weak references in the copy that still point at the original's objects are turned to the copy's."""
    for holder in list(_reachable(copied)):
        if isinstance(holder, dict):
            for key, value in list(holder.items()):
                if (turned := _turned(value, memo)) is not value:
                    holder[key] = turned
        elif isinstance(holder, list):
            for index, value in enumerate(holder):
                if (turned := _turned(value, memo)) is not value:
                    holder[index] = turned
        elif isinstance(getattr(holder, "__dict__", None), dict) and not isinstance(holder, (type, types.ModuleType)):
            for key, value in list(vars(holder).items()):
                if (turned := _turned(value, memo)) is not value:
                    vars(holder)[key] = turned


def _turned(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, types.FunctionType) and value.__closure__:
        cells = [_turned_cell(cell, memo) for cell in value.__closure__]
        if all(new is old for new, old in zip(cells, value.__closure__, strict=True)):
            return value
        function = types.FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells))
        function.__kwdefaults__, function.__dict__ = value.__kwdefaults__, dict(value.__dict__)
        return function
    if type(value) is weakref.ref:
        twin = _twin(value(), memo)
        return weakref.ref(twin) if twin is not None else value
    return value


def _turned_cell(cell: types.CellType, memo: dict[int, Any]) -> types.CellType:
    try:
        twin = _twin(cell.cell_contents, memo)
    except ValueError:  # an empty cell
        return cell
    return types.CellType(twin) if twin is not None else cell


def _twin(value: Any, memo: dict[int, Any]) -> Any | None:
    """The copy of a module or tensor of the original."""
    if not isinstance(value, (nn.Module, torch.Tensor)):
        return None
    twin = memo.get(id(value))
    return twin if twin is not value else None
