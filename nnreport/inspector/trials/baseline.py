"""The loss of the best constant prediction: what a model that ignores its input can reach on the probe's batch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nnreport.facts import Experiments
from nnreport.inspector.trials.lab import Lab

IGNORED = -100
"""``cross_entropy``'s default ``ignore_index``."""
KINDS = ("cross_entropy", "nll", "bce", "bce_with_logits", "mse", "l1")


def baseline(lab: Lab, found: Experiments) -> None:
    """Fills ``found.baseline_loss`` for the loss families that have one, averaged over elements."""
    task, probe = lab.task, lab.probe
    assert task is not None
    assert probe is not None
    kind = probe.loss.kind if probe.loss is not None else "custom"
    target = task.data.first.target
    if kind not in KINDS or not isinstance(target, Tensor) or target.numel() == 0 or target.is_complex():
        return
    value = constant_loss(kind, target.detach().cpu())
    if value is not None and math.isfinite(value):
        found.baseline_loss = value


def constant_loss(kind: str, target: Tensor) -> float | None:
    """Loss of the constant (one per output unit, the same for all samples and places) that fits ``target`` best."""
    if kind in ("cross_entropy", "nll"):
        return entropy_of_labels(target)
    if not target.is_floating_point():
        target = target.float()
    columns = by_unit(target.double())
    if kind == "mse":
        return float(columns.var(0, correction=0).mean())
    if kind == "l1":
        return float((columns - columns.median(0).values).abs().mean())
    share = columns.mean(0).clamp(0, 1)
    return float(F.binary_cross_entropy(share, share))


def by_unit(target: Tensor) -> Tensor:
    """(observations, units): channels are axis 1 of images and volumes, the last axis of rows and sequences."""
    if target.dim() < 2:
        return target.reshape(-1, 1)
    if target.dim() >= 4:
        return target.movedim(1, -1).flatten(0, -2)
    return target.flatten(0, -2)


def entropy_of_labels(target: Tensor) -> float | None:
    """Entropy of the labels' distribution, in nats; of the mean distribution where targets are probabilities."""
    if target.is_floating_point():
        if target.dim() < 2:
            return None
        mean = target.double().movedim(1, -1).flatten(0, -2).mean(0)
        return float(-(mean * mean.clamp_min(1e-300).log()).sum())
    labels = target.reshape(-1)
    labels = labels[labels != IGNORED]
    if labels.numel() == 0:
        return None
    share = torch.unique(labels, return_counts=True)[1].double() / labels.numel()
    return float(-(share * share.log()).sum())
