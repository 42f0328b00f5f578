"""Parameters that got no gradient in the probe: do they get one on other batches, and does anything read them?"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments, Probe, SilentParameter
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.clock import OutOfTime
from nnreport.inspector.trials.lab import Lab

MOST = 32
"""Parameters whose values are moved, one forward each."""
BATCHES = 3


def silent_names(probe: Probe | None) -> list[str]:
    """Trainable parameters without a gradient at every observed step."""
    if probe is None:
        return []
    return [s.name for s in probe.parameters if s.steps and s.zero_steps + s.none_steps >= s.steps]


def silent(lab: Lab, found: Experiments) -> None:
    """Fills ``found.silent``."""
    found.silent = [SilentParameter(name=name) for name in silent_names(lab.probe)]
    try:
        awake = heard(lab, {entry.name for entry in found.silent})
        for entry in found.silent:
            entry.elsewhere = entry.name in awake
    except OutOfTime:
        raise
    except Exception:  # a fresh batch may fail for reasons of its own
        pass
    moved(lab, [entry for entry in found.silent if not entry.elsewhere][:MOST])


def heard(lab: Lab, names: set[str]) -> set[str]:
    """Those of ``names`` that get a non-zero gradient on fresh batches, a step taken on each."""
    task = lab.task
    assert task is not None
    model = lab.trainee()
    parameters = {name: p for name, p in model.named_parameters() if name in names}
    awake: set[str] = set()

    def listen() -> None:
        awake.update(name for name, p in parameters.items() if p.grad is not None and bool((dense(p.grad) != 0).any()))

    with seeded(lab.seed + 7, lab.device), torch.enable_grad():
        optimizer = task.new_optimizer(model)
        for i in range(BATCHES):
            lab.clock.check(lab.step_seconds)
            task.step(model, optimizer, task.data.fresh(i), listen)
            if len(awake) == len(names):
                break
    return awake


def dense(tensor: Tensor) -> Tensor:
    return tensor.coalesce().values() if tensor.is_sparse else tensor


def moved(lab: Lab, entries: list[SilentParameter]) -> None:
    """Adds noise of its own scale to one parameter at a time and sees whether the loss moves."""
    task = lab.task
    assert task is not None
    model = lab.trainee()
    parameters = dict(model.named_parameters())
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def loss() -> float:
        lab.clock.check()
        with seeded(lab.seed, lab.device), torch.no_grad():
            value = float(task.loss(model, task.data.first)[0])
            restore(model, kept)
        return value

    before = loss()
    if not math.isfinite(before):
        return
    for entry in entries:
        parameter = parameters.get(entry.name)
        if parameter is None:
            continue
        values = parameter.detach().clone()
        scale = float(values.float().pow(2).mean().sqrt()) or 1.0
        with seeded(lab.seed + 3, lab.device), torch.no_grad():
            parameter.add_(torch.randn_like(parameter) * scale)
        entry.moves = abs(loss() - before) / max(abs(before), 1e-12)
        with torch.no_grad():
            parameter.copy_(values)


def restore(model: nn.Module, kept: dict[str, Tensor]) -> None:
    """Puts back the buffers that a forward in train mode moves."""
    for name, buffer in model.named_buffers():
        if name in kept and kept[name].shape == buffer.shape:
            buffer.copy_(kept[name])
