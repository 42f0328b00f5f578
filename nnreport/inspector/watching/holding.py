"""Which optimizer holds which parameter: those that none holds, and those that one holds in vain."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from nnreport.inspector.watching.discovery import safe_parameters
from nnreport.inspector.watching.optimizers import OptimizerWatch
from nnreport.inspector.watching.trained import TrainedModel


def find_orphans(watch: OptimizerWatch, models: Iterable[TrainedModel]) -> list[str]:
    """Parameters that an optimizer steps, that have left their model since it was made, and that get no gradient any more."""
    roots = [model.watch.root() for model in models]
    now = {id(p) for root in roots if root is not None for p in safe_parameters(root)}
    return [
        watch.names[id(p)][0]
        for p in watch.parameters()
        if id(p) in watch.names and id(p) not in now and (p.grad is None or not has_values(p.grad))
    ]


def look_for_unheld(models: Iterable[TrainedModel], optimizers: Iterable[OptimizerWatch]) -> None:
    """Trainable parameters that get gradients, and that no optimizer holds or ever held: noted at their models."""
    held = {id(p) for watch in optimizers for p in watch.parameters()}
    for model in models:
        root = model.watch.root()
        if root is None:
            continue
        parameters = dict(root.named_parameters())
        silent = []
        for name, parameter in parameters.items():
            if id(parameter) in held:
                model.held.add(name)
            if not parameter.requires_grad or id(parameter) in held or name in model.held:
                continue
            gradient = parameter.grad
            if gradient is not None and has_values(gradient):
                model.unheld[name] = parameter.numel()
            else:
                silent.append(name)
        model.silent = silent
        for name in [name for name in model.unheld if name not in parameters]:
            model.unheld.pop(name)


def has_values(gradient: Tensor) -> bool:
    """Is any of it not zero?"""
    return bool((gradient._values() if gradient.is_sparse else gradient).any())
