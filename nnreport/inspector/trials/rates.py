"""The user's learning rate beside a tenth of it and ten, a hundred, a thousand times as much; and how sharp the loss is."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from nnreport.facts import Experiments, RateTrial
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.lab import Lab
from nnreport.inspector.trials.training import affordable, fall, train

WELL = 0.5
"""A loss that fell by half over the probe is no reason to try higher rates; one that did so at another rate ends the search."""
BADLY = 0.1
"""A loss that fell by less may do better at a lower rate."""
UNSTEADY = 0.3
"""All rises of the last half together, over the start, from which a lower rate is tried."""
HIGHER = (10.0, 100.0, 1000.0)
ITERATIONS = 8
SHARE = 0.25
"""Of the budget that the power iteration may take; what it has found by then is an estimate from below."""
SETTLED = 0.02
"""The power iteration ends when the estimate changes by less than this share."""


def rated(lab: Lab) -> bool:
    """The optimizer is the user's."""
    if lab.task is None or lab.probe is None or len(lab.probe.losses) < 2:
        return False
    info = lab.task.optimizer_info
    return bool(info.user or info.source in ("given", "file"))


def wanted(losses: list[float]) -> list[float]:
    """The factors worth trying after a run with these losses; none where it fell well and steadily."""
    fell = fall(losses)
    last = losses[len(losses) // 2 :]
    start = max(abs(losses[0]), 1e-12)
    finite = all(map(math.isfinite, losses))
    rises = sum(max(b - a, 0.0) for a, b in pairwise(last)) / start if finite else math.inf
    factors: list[float] = []
    if fell < BADLY or rises > UNSTEADY or not finite or max(losses) > 2 * start:
        factors.append(0.1)
    if finite and fell < WELL:
        factors += HIGHER
    return factors


def rates(lab: Lab, found: Experiments) -> None:
    """Fills ``found.rates``. Higher rates end at the first that does clearly better, or that blows up."""
    assert lab.task is not None
    assert lab.probe is not None
    factors = wanted([float(x) for x in lab.probe.losses])
    for i, factor in enumerate(factors):
        steps = affordable(lab, lab.probe.steps, 1 / (len(factors) - i))
        run = train(lab, steps, factor=factor)
        rate = lab.task.optimizer_info.learning_rate * factor
        found.rates.append(RateTrial(factor=factor, learning_rate=rate, losses=run.numbers, steps=len(run.losses) - 1))
        if factor > 1 and (run.fall >= WELL or not math.isfinite(run.losses[-1])):
            break


def sgd(lab: Lab) -> bool:
    """The user's optimizer is plain or momentum SGD: 2/λmax is its limit."""
    return rated(lab) and lab.task is not None and lab.task.optimizer_info.name.lower().startswith("sgd")


def sharpness(lab: Lab, found: Experiments) -> None:
    """λmax of the loss's Hessian at the start, on the probe's batch, by power iteration with Hessian-vector products.

    Costs about two steps an iteration. Left None where an operation has no second derivative.
    """
    task = lab.task
    assert task is not None
    lab.clock.check(3 * lab.step_seconds)
    begun = lab.clock.spent
    copy = lab.trainee()
    parameters = [p for p in copy.parameters() if p.requires_grad]
    with seeded(lab.seed, lab.device), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        loss, _ = task.loss(copy, task.data.first)
        gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        pairs = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None and g.requires_grad]
        if not pairs:
            return
        weights, slopes = [p for p, _ in pairs], [g for _, g in pairs]
        vector = [torch.randn_like(p) for p in weights]
        estimate = math.nan
        for _ in range(ITERATIONS):
            if lab.clock.left < 2 * lab.step_seconds or lab.clock.spent - begun > SHARE * lab.clock.seconds:
                break
            size = norm(vector)
            if size == 0.0 or not math.isfinite(size):
                break
            vector = [v / size for v in vector]
            slope = torch.stack([(g * v).sum() for g, v in zip(slopes, vector, strict=True)]).sum()
            product = torch.autograd.grad(slope, weights, retain_graph=True, allow_unused=True)
            before, estimate = estimate, sum(float((v * h).sum()) for v, h in zip(vector, product, strict=True) if h is not None)
            found.sharpness = estimate if math.isfinite(estimate) else None
            if abs(estimate - before) <= SETTLED * abs(estimate):
                break
            vector = [torch.zeros_like(v) if h is None else h.detach() for v, h in zip(vector, product, strict=True)]


def norm(vector: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float(v.double().pow(2).sum()) if v.device.type != "mps" else float(v.pow(2).sum()) for v in vector))
