"""The probe's loss hardly fell: can the batch be fitted at all? More steps, a higher rate, another batch, the softmax undone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments, Probe
from nnreport.inspector.feeding.nested import map_tensors
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.trials.lab import Lab
from nnreport.inspector.trials.training import ENOUGH, Run, affordable, fall, mean_loss, train

DOUBTFUL = 0.25
"""A loss that fell by less of its start is looked at again: healthy nets on noise fell by 14 to 28 % in 30 steps."""
LONGER = 10
"""Times the probe's steps, at most."""
WORTHWHILE = 1.5
"""A run of fewer times the probe's steps would tell nothing new; the time goes to a higher rate instead."""
TINY = 1e-7
"""Probabilities are kept this far from 0 and 1 when a softmax or sigmoid is undone."""


def doubtful(lab: Lab) -> bool:
    """The probe ran to its end, its loss is finite, and it fell by too little to be sure."""
    probe = lab.probe
    if lab.task is None or probe is None or len(probe.losses) < 3 or probe.done < probe.steps:
        return False
    losses = [float(x) for x in probe.losses]
    if not all(math.isfinite(x) for x in losses) or abs(losses[0]) < TINY:
        return False
    return fall(losses) < DOUBTFUL


def longer(lab: Lab, found: Experiments) -> None:
    """The same training for up to ten times the steps, and where that fails too at ten times the rate, and on another batch."""
    probe = lab.probe
    assert probe is not None
    assert lab.task is not None
    runs = []
    steps = affordable(lab, LONGER * probe.steps, 0.5)
    if steps > WORTHWHILE * probe.steps:
        runs.append(train(lab, steps, enough=ENOUGH))
        found.longer_losses = runs[-1].numbers
    if not runs or runs[-1].fall < DOUBTFUL:
        runs.append(train(lab, affordable(lab, LONGER * probe.steps, 0.6), factor=10.0, enough=ENOUGH))
        found.higher_rate_losses = runs[-1].numbers
    best = max(runs, key=lambda run: run.fall)
    if probe.stochastic:
        averaged(lab, found, best)
    if best.fall < DOUBTFUL:
        other = train(lab, affordable(lab, 2 * probe.steps, 0.8), batch=lab.task.data.fresh(0), seed=1, enough=ENOUGH)
        found.second_seed = other.numbers


def averaged(lab: Lab, found: Experiments, run: Run) -> None:
    """A stochastic loss before and after: single draws may hide that it fell."""
    try:
        found.mean_losses = [mean_loss(lab, lab.trainee()), mean_loss(lab, run.model)]
    except (RuntimeError, ValueError):  # a loss that differentiates inside
        found.mean_losses = []


# -------------------------------------------------------------------------------------------------------- without softmax


def undone(probe: Probe | None) -> str:
    """Which final activation the loss applies again: ``softmax``, ``sigmoid`` or ``""``."""
    if probe is None or probe.output is None or probe.loss is None:
        return ""
    output, kind = probe.output, probe.loss.kind
    if kind == "cross_entropy" and output.sums_to_one is not None:
        return "softmax"
    inside = output.range is not None and output.range.minimum >= 0 and output.range.maximum <= 1
    if kind in ("bce_with_logits", "cross_entropy") and output.activation in ("sigmoid", "hardsigmoid") and inside:
        return "sigmoid"
    return ""


def without_softmax(lab: Lab, found: Experiments) -> None:
    """The probe's training with the loss reading log-probabilities (log-odds) in place of probabilities."""
    probe = lab.probe
    assert probe is not None
    which = undone(probe)
    name = probe.output.name if probe.output else ""

    def undo(tensor: Tensor) -> Tensor:
        if which == "softmax":
            return tensor.clamp_min(TINY).log()
        return torch.logit(tensor, eps=TINY)

    def prepare(model: nn.Module) -> None:
        def change(module: nn.Module, args: Any, output: Any) -> Any:
            wanted = next((t for n, t in named_tensors(output) if n == name), None)
            return output if wanted is None else map_tensors(output, lambda t: undo(t) if t is wanted else t)

        model.register_forward_hook(change)

    found.without_softmax = train(lab, affordable(lab, probe.steps, 0.5), prepare=prepare).numbers
