"""Evaluation told from training: forwards from which no backward pass came, gathered into phases."""

from __future__ import annotations

from nnreport.facts import EvaluationRun, Location
from nnreport.inspector.watching.forwards import Forward, ModelWatch
from nnreport.inspector.watching.log import Log

EVERY_STEP = 0.9
"""Forwards without a backward pass in so large a share of the steps are part of the training step (a teacher, a first pass that
is cached), unless something speaks for an evaluation: another loader, or a loss that nothing is done with."""


class Phase:
    """Forwards between two backward passes from which none came."""

    def __init__(self, forwards: list[Forward], step: int, loaders: set[int | None]) -> None:
        self.count = len(forwards)
        self.step = step
        self.affected = sorted({name for f in forwards if f.training for name in f.moving})
        self.with_gradient = any(f.grad for f in forwards)
        self.location = next((f.location for f in forwards if f.location), None)
        losses = [loss for f in forwards for loss in f.losses[:1]]
        self.loss = float(sum(float(loss) for loss in losses) / len(losses)) if losses else None
        """Mean over its batches."""
        self.sure = bool(losses) or any(f.loader is not None and f.loader not in loaders for f in forwards)


class Evaluations:
    """The phases of one model."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.losses = Log()

    def add(
        self, forwards: list[Forward], step: int, training_loaders: set[int | None], trained: list[Forward], more: int = 0
    ) -> None:
        """``forwards`` had no backward pass, nor had ``more`` that were not kept. Dropped are those whose input was then trained
        on: they are a part of the step."""
        kept = [f for f in forwards if f.losses or not any(f.shares_input(t) for t in trained)]
        if not kept:
            return
        phase = Phase(kept, step, training_loaders)
        phase.count += more
        self.phases.append(phase)
        if phase.loss is not None:
            self.losses.add(step, phase.loss)

    def record(self, index: int, watch: ModelWatch) -> EvaluationRun | None:
        """What is known; None where nothing of it is an evaluation."""
        steps = max(watch.steps, 1)
        unsure = [p for p in self.phases if not p.sure]
        phases = [p for p in self.phases if p.sure or (p.count > 1 and len(unsure) < EVERY_STEP * steps)]
        if not phases:
            return None
        moving = [p for p in phases if p.affected]
        location: Location | None = next((p.location for p in [*moving, *phases] if p.location), None)
        return EvaluationRun(
            model=index,
            phases=len(phases),
            forwards=sum(p.count for p in phases),
            train_mode=len(moving),
            affected=sorted({name for p in moving for name in p.affected})[:50],
            with_gradient=sum(p.with_gradient for p in phases),
            losses=self.losses.series(),
            location=location,
        )
