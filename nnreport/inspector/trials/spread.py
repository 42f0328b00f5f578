"""How far samples differ, in the output and in every module on the way to it.

Spread: the standard deviation over the batch, as the rms over all else, over the rms of the tensor. It is what tells samples
apart; the raw scale carries the data's own mean and does not fade when the signal does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.outputs import named_tensors, prediction
from nnreport.inspector.trials.lab import Lab, output_tensors
from nnreport.inspector.trials.pool import NoBatch
from nnreport.inspector.trials.watch import ModuleStack

SAMPLES = 8
MOST = 1 << 14
"""Elements looked at per sample."""
MOST_MODULES = 2000


def spreads(lab: Lab, found: Experiments) -> None:
    """Fills ``output_spread``, ``output_std``, ``initial_spread`` (eval, calibrated) and ``output_spread_train``."""
    inputs = lab.pool.draw(SAMPLES, 4)
    if inputs.batch != SAMPLES:
        raise NoBatch("the inputs share no leading axis")
    output, found.initial_spread = watched(lab, lab.calm, inputs)
    main = main_tensor(output)
    if main is not None:
        value = spread_of(main, SAMPLES)
        if value is not None:
            found.output_spread, found.output_std = value
    with seeded(lab.seed, lab.device), torch.no_grad():
        main = main_tensor(lab.copy().train()(*inputs.args, **inputs.kwargs))
    if main is not None:
        value = spread_of(main, SAMPLES)
        if value is not None:
            found.output_spread_train = value[0]


def watched(lab: Lab, model: nn.Module, inputs: Any) -> tuple[Any, dict[str, float]]:
    """The output of a forward, and each module's spread at its first call, in the order in which they end."""
    found: dict[str, float] = {}
    names = ModuleStack.of(model).names
    lab.clock.check()

    def look(module: nn.Module, args: Any, output: Any) -> None:
        name = names[id(module)]
        if name in found or len(found) >= MOST_MODULES:
            return
        tensor = next((t for _, t in named_tensors(output)), None)
        value = None if tensor is None else spread_of(tensor.detach(), SAMPLES)
        if value is not None:
            found[name] = value[0]

    handles = [module.register_forward_hook(look) for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
    try:
        with seeded(lab.seed, lab.device), torch.no_grad():
            output = model(*inputs.args, **inputs.kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return output, found


def main_tensor(output: Any) -> Tensor | None:
    """The tensor that a loss would read."""
    found = prediction(output)
    if found is not None:
        return found[1].detach()
    return next((t for _, t in output_tensors(output) if t.is_floating_point()), None)


@torch.no_grad()
def spread_of(tensor: Tensor, samples: int) -> tuple[float, float] | None:
    """(spread over rms, spread) of a tensor whose leading axis (else axis 1) is the batch; None where neither is, or where it is
    all zero or not finite."""
    if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.numel() == 0 or tensor.dim() == 0:
        return None
    if tensor.shape[0] != samples:
        if tensor.dim() < 2 or tensor.shape[1] != samples:
            return None
        tensor = tensor.transpose(0, 1)
    rows = tensor.reshape(samples, -1)
    if rows.shape[1] > MOST:
        rows = rows[:, :: -(-rows.shape[1] // MOST) | 1]
    rows = rows.float()
    rms = float(rows.pow(2).mean().sqrt())
    if rms == 0.0 or rms != rms or rms == float("inf"):
        return None
    away = rows - rows[:1]  # exact where samples are equal, however large they are
    std = float(away.var(0, correction=0).mean().sqrt())
    return std / rms, std
