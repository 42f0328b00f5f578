"""Does each input matter? The gradient at it, and what moves when it is replaced while the others stay.

The gradient alone misleads (a detached path moves the output and has none), and so does the movement alone (a token index moves
the output in steps), so both are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments, InputInfluence
from nnreport.inspector.feeding.nested import tensors
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.determinism import difference
from nnreport.inspector.trials.lab import Lab, output_tensors
from nnreport.inspector.trials.pool import Inputs, NoBatch
from nnreport.inspector.trials.watch import same

SAMPLES = 4
STRONGER = 3.0
"""Factor on the noise of the last replacement tried: a threshold may sit above the usual range."""


def influence(lab: Lab, found: Experiments) -> None:
    """Fills ``found.influence``, one entry an input tensor."""
    inputs, other = two_batches(lab)
    keys = named(lab, inputs)
    if not keys:
        return
    model = lab.calm
    before, gradients = lab.run(model, inputs), gradients_at(lab, lab.calm, inputs)
    if not any(gradients.values()) and difference(before, lab.run(model, other)) == 0.0:
        model = lab.stirred  # a zero-initialised head hides everything
        before, gradients = lab.run(model, inputs), gradients_at(lab, model, inputs)
    for position, (name, tensor) in enumerate(keys):
        entry = InputInfluence(name=name, gradient=gradients.get(position))
        entry.constant = tensor.numel() < 2 or bool((tensor == tensor.reshape(-1)[0]).all())
        found.influence.append(entry)
        if entry.constant or any(tensor is earlier for _, earlier in keys[:position]):
            entry.constant = True
            continue
        entry.moved = moved_by(lab, model, inputs, other, position, before)
        if entry.moved == 0.0:
            in_training(lab, inputs, other, position, entry)


def two_batches(lab: Lab) -> tuple[Inputs, Inputs]:
    """The inputs and others of the same shapes; the given ones themselves where no batch can be made."""
    try:
        inputs, other = lab.pool.draw(SAMPLES, 0), lab.pool.draw(SAMPLES, 1)
        lab.run(lab.calm, inputs)
    except Exception:
        inputs = lab.pool.given
        other = inputs.map(shuffled)
    return inputs, other


def shuffled(tensor: Tensor) -> Tensor:
    """The same values in another order (shifted by a third: no element stays unless values repeat)."""
    flat = tensor.detach().reshape(-1)
    return flat.roll(max(flat.numel() // 3, 1)).reshape(tensor.shape)


def named(lab: Lab, inputs: Inputs) -> list[tuple[str, Tensor]]:
    """(name, tensor) of every input, in the order of ``inputs.tensors()``."""
    found: list[tuple[str, Tensor]] = []
    for i, value in enumerate(inputs.args):
        found += tensors(value, f"input {i}")
    for key, value in inputs.kwargs.items():
        found += tensors(value, key)
    names = [spec.name for spec in lab.sample.specs if spec.tensor is not None]
    if len(names) >= len(found):
        found = [(names[i], tensor) for i, (_, tensor) in enumerate(found)]
    return found


def replaced(inputs: Inputs, position: int, value: Tensor) -> Inputs:
    """The same inputs with one tensor exchanged."""
    count = iter(range(10**9))
    return inputs.map(lambda t: value if next(count) == position else t)


def replacements(tensor: Tensor, twin: Tensor) -> Iterator[Tensor]:
    """What an input may be replaced by, the likeliest to be valid first; those equal to it are left out."""
    tries: list[Tensor] = [twin] if twin.shape == tensor.shape else []
    tries.append(shuffled(tensor))
    if tensor.dtype == torch.bool:
        tries.append(~tensor)
    elif tensor.is_floating_point():
        tries += [torch.zeros_like(tensor), tensor * -STRONGER]
    for value in tries:
        if not same(value, tensor):
            yield value


def moved_by(
    lab: Lab, model: nn.Module, inputs: Inputs, other: Inputs, position: int, before: list[tuple[str, Tensor]]
) -> float | None:
    """Largest relative change of any output; None if every replacement made the forward fail."""
    tensor, twin = inputs.tensors()[position].detach(), other.tensors()[position]
    moved: float | None = None
    for value in replacements(tensor, twin):
        try:
            moved = max(moved or 0.0, difference(before, lab.run(model, replaced(inputs, position, value))))
        except (NoBatch, RuntimeError, ValueError, IndexError, TypeError, AssertionError):
            continue
        if moved > 0.0:
            break
    return moved


def gradients_at(lab: Lab, model: nn.Module, inputs: Inputs) -> dict[int, bool]:
    """Position -> a non-zero gradient of a random combination of all outputs arrives (a plain sum of a softmax's is zero)."""
    free = inputs.map(lambda t: t.detach().clone().requires_grad_(t.is_floating_point() or t.is_complex()))
    asked = [(i, t) for i, t in enumerate(free.tensors()) if t.requires_grad]
    if not asked:
        return {}
    try:
        with seeded(lab.seed, lab.device), torch.enable_grad():
            given = free.map(torch.clone)
            outputs = [t for _, t in output_tensors(model(*given.args, **given.kwargs)) if t.requires_grad]
            if not outputs:
                return {i: False for i, _ in asked}
            # one scalar: to be given weights, autograd.grad would import sympy
            total = torch.stack([projection(t) for t in outputs]).sum()
            found = torch.autograd.grad(total, [t for _, t in asked], allow_unused=True)
    except Exception:
        return {}
    return {i: g is not None and bool((g != 0).any()) for (i, _), g in zip(asked, found, strict=True)}


def projection(tensor: Tensor) -> Tensor:
    """A random combination of all elements."""
    values = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return (values * torch.randn_like(values)).sum().float()


def in_training(lab: Lab, inputs: Inputs, other: Inputs, position: int, entry: InputInfluence) -> None:
    """An input may be meant for training alone (labels, a teacher's tokens): is it heeded there?"""
    try:
        before = lab.run(lab.copy().train(), inputs)
        moved: Any = moved_by(lab, lab.copy().train(), inputs, other, position, before)
    except Exception:
        return
    if moved:
        entry.moved, entry.train_only = moved, True
