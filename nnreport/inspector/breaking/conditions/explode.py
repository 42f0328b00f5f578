"""``explode``: a loss or a gradient norm that leaves its bounds."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import torch
from torch import Tensor

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.hit import Hit
from nnreport.inspector.training.updates import dense, norms
from nnreport.inspector.watching.optimizers import OptimizerWatch

ABSOLUTE_NORM = 1e6
"""Norm of the whole gradient that is too large wherever it stands. Trained networks show 1e-3 to 1e3."""
RELATIVE_NORM = 1e3
"""Times the median norm of the last :data:`HISTORY` steps, and above :data:`LEAST_NORM`."""
LEAST_NORM = 10.0
RELATIVE_LOSS = 1e3
"""Times the median loss of the last steps (its absolute value, at least 1)."""
HISTORY = 50
SOME = 3
"""Steps before there is something to compare with."""
SHOWN = 6
"""Parameters whose gradients are at hand, the largest first."""


class Explode(Condition):
    """Looks at each loss when its backward pass begins, and at the gradient when it ends (before anything clips it); under a
    GradScaler, whose gradients are scaled, just before the step. A NaN counts, too."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.losses: list[float] = []
        self.norms: dict[int, list[float]] = {}

    def backward_begun(self, roots: list[Tensor]) -> Hit | None:
        if self.breakpoints.scaled:
            return None
        for root in roots:
            if root.numel() != 1:
                continue
            value = float(root.detach())
            limit = RELATIVE_LOSS * max(abs(median(self.losses)), 1.0) if len(self.losses) >= SOME else math.inf
            if not math.isfinite(value) or abs(value) > limit:
                than = f"; the limit is {limit:.4g}, {RELATIVE_LOSS:g} times the median of the last steps"
                return Hit(
                    text=f"the loss is {value:.4g}{than if limit < math.inf else ''}",
                    phase="loss",
                    here={"loss": root},
                    values={"loss": value, "limit": limit},
                )
            remember(self.losses, value)
        return None

    def backward_ended(self, roots: list[Tensor]) -> Hit | None:
        if self.breakpoints.scaled:
            return None
        for index, model in enumerate(self.breakpoints.watcher.models):
            root = model.watch.root()
            if root is not None:
                hit = self.judge(index, [(n, p) for n, p in root.named_parameters() if p.grad is not None], "backward")
                if hit is not None:
                    return hit
        return None

    def before_step(self, watch: OptimizerWatch) -> Hit | None:
        if not self.breakpoints.scaled:
            return None
        names = {key: name for key, (name, _) in watch.names.items()}
        held = [(names.get(id(p), "?"), p) for p in watch.parameters() if p.grad is not None]
        return self.judge(-1 - self.breakpoints.watcher.optimizers.index(watch), held, "step")

    def judge(self, key: int, named: list[tuple[str, Tensor]], phase: Any) -> Hit | None:
        """The norm of all these gradients against that of earlier ones."""
        if not named:
            return None
        with torch.no_grad():
            parts = torch.stack([n.double().cpu() for n in norms([dense(p.grad) for _, p in named])])
        norm = float(torch.linalg.vector_norm(parts))
        before = self.norms.setdefault(key, [])
        usual = max(RELATIVE_NORM * median(before), LEAST_NORM) if len(before) >= SOME else math.inf
        limit = min(ABSOLUTE_NORM, usual)
        if math.isfinite(norm) and norm <= limit:
            remember(before, norm)
            return None
        order = sorted(range(len(named)), key=lambda i: -float(torch.nan_to_num(parts[i], nan=math.inf)))
        worst = named[order[0]][0]
        why = f"{RELATIVE_NORM:g} times the median of the last steps" if limit == usual else "whatever came before"
        return Hit(
            text=f"the gradient's norm is {norm:.4g}, most of it in {worst}; the limit is {limit:.4g}, {why}",
            phase=phase,
            module=worst.rpartition(".")[0] if worst != "?" else None,
            here={"gradients": {named[i][0]: named[i][1].grad for i in order[:SHOWN]}},
            values={"gradient_norm": norm, "limit": limit},
        )


def remember(values: list[float], value: float) -> None:
    values.append(value)
    del values[:-HISTORY]
