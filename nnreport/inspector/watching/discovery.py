"""Which models the parameters of an optimizer belong to: the outermost modules alive that hold them."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
}
"""Modules that hold one other and nothing of their own -> the attribute that does."""


def modules_alive() -> list[nn.Module]:
    """Every module in memory. The class is asked, never the object: a lazy proxy would import what it stands for."""
    known: dict[type, bool] = {}
    found = []
    for thing in gc.get_objects():
        cls = type(thing)
        wanted = known.get(cls)
        if wanted is None:
            wanted = known[cls] = issubclass(cls, nn.Module)
        if wanted:
            found.append(thing)
    return found


def outermost(parameters: Iterable[Tensor], alive: list[nn.Module] | None = None) -> list[nn.Module]:
    """The modules that hold one of ``parameters`` and lie in no other module, the largest first; of those ``alive``, where
    memory has just been looked through."""
    wanted = {id(p) for p in parameters}
    alive = modules_alive() if alive is None else alive
    inner = {id(child) for module in alive for child in module._modules.values() if child is not None}
    found = []
    for module in alive:
        if id(module) in inner or type(module).__name__ == "Replica":
            continue
        if any(id(p) in wanted for p in safe_parameters(module)):
            found.append(module)
    return sorted(found, key=lambda m: -sum(p.numel() for p in safe_parameters(m)))


def with_gradient(alive: list[nn.Module]) -> list[Any]:
    """All parameters of these modules that have a gradient."""
    return list({id(p): p for module in alive for p in own_parameters(module) if p.grad is not None}.values())


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Those it holds itself; none where a half-made module cannot say."""
    return [p for p in (module.__dict__.get("_parameters") or {}).values() if isinstance(p, nn.Parameter)]


def safe_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Its parameters; none where a half-made module cannot say."""
    try:
        return list(module.parameters())
    except Exception:
        return []


def unwrapped(module: nn.Module) -> tuple[nn.Module, list[nn.Module]]:
    """(the user's own module, the wrappers around it from the outside in)."""
    wrappers: list[nn.Module] = []
    while True:
        name = next((WRAPPERS[c.__name__] for c in type(module).__mro__ if c.__name__ in WRAPPERS), None)
        inner = getattr(module, name, None) if name else None
        if not isinstance(inner, nn.Module):
            return module, wrappers
        wrappers.append(module)
        module = inner


def is_compiled(module: nn.Module) -> bool:
    """``torch.compile`` (or ``module.compile()``) is at work on it or on a part of it."""
    return any(is_compiled_itself(m) for m in module.modules())


def is_compiled_itself(module: nn.Module) -> bool:
    """What it calls is compiled as a whole."""
    return type(module).__name__ == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None


def variable_name(thing: Any, frame: Any) -> str:
    """What the user's code calls ``thing``, looked up in the frames from ``frame`` outwards; ``""`` if nothing does."""
    from nnreport.inspector.locate import origin_of

    for _ in range(60):
        if frame is None:
            return ""
        if origin_of(frame.f_code.co_filename) == "user":
            for name, value in list(frame.f_locals.items()):
                if value is thing and name != "self" and not name.startswith("_"):
                    return str(name)
        frame = frame.f_back
    return ""
