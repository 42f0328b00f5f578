"""What a script does before, or instead of, training: which models it calls. In words, for one that makes no step."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from nnreport.facts import Run

MOST = 2_000
"""Modules that are told apart."""
NAMED = 3


class Called:
    """The outermost modules that are called while no optimizer is known. A caller runs before what it calls, so a module that
    was not yet seen is outermost, and all that it holds is not.

    Args:
        hears: are calls looked at?
    """

    def __init__(self, hears: Callable[[], bool]) -> None:
        self.hears = hears
        self.known: set[int] = set()
        self.models: list[tuple[str, weakref.ref[nn.Module]]] = []
        self.handle: Any = register_module_forward_pre_hook(self.before)

    def before(self, module: nn.Module, args: Any) -> None:
        if torch.compiler.is_compiling() or id(module) in self.known or not self.hears():
            return
        self.known.update(id(part) for part in module.modules())
        self.models.append((type(module).__name__, weakref.ref(module)))
        if len(self.known) > MOST:
            self.release()

    def release(self) -> None:
        """Looks no longer: an optimizer was made, or the watch is over."""
        if self.handle is not None:
            self.handle.remove()
            self.handle = None

    def largest(self) -> nn.Module | None:
        """The one with the most parameters that is still there."""
        alive = [module for _, reference in self.models if (module := reference()) is not None]
        return max(alive, key=lambda module: sum(p.numel() for p in module.parameters()), default=None)


def in_words(run: Run, called: list[str]) -> list[str]:
    """What was seen of a run without a step; the last says why there was none, as far as that can be told."""
    names = ", ".join(dict.fromkeys(called[:NAMED])) + (", …" if len(called) > NAMED else "")
    words = [f"{count(len(called), 'model')} {were(len(called))} called{f' ({names})' if called else ''}"]
    words.append(count(run.backwards, "backward pass", "es"))
    batches = sum(loader.batches for loader in run.loaders)
    if run.loaders:
        words.append(f"{count(len(run.loaders), 'data loader')} gave {count(batches, 'batch', 'es')}")
    made = len(run.optimizers)
    if made:
        kinds = ", ".join(dict.fromkeys(optimizer.name for optimizer in run.optimizers))
        words.append(f"{count(made, 'optimizer')} {were(made)} made ({kinds}) and never stepped")
    else:
        words.append("no optimizer was made")
    return words


def count(number: int, noun: str, plural: str = "s") -> str:
    """``1 model``, ``no models``, ``12 backward passes``."""
    return f"{number:,} {noun}{'' if number == 1 else plural}" if number else f"no {noun}{plural}"


def were(number: int) -> str:
    return "was" if number == 1 else "were"
