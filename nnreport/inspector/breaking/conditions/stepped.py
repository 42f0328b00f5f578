"""``step:N``: just before the N-th optimizer step changes the weights."""

from __future__ import annotations

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.hit import Hit
from nnreport.inspector.watching.optimizers import OptimizerWatch

SHOWN = 12
"""Parameters at hand with their gradients."""


class Stepped(Condition):
    """Of several optimizers the one that steps most counts; the steps are counted from 1."""

    def before_step(self, watch: OptimizerWatch) -> Hit | None:
        if watch is not self.breakpoints.watcher.leader or watch.steps + 1 != self.spec.step:
            return None
        optimizer = watch.optimizer()
        names = {key: name for key, (name, _) in watch.names.items()}
        held = [(names.get(id(p), f"parameter {i}"), p) for i, p in enumerate(watch.parameters())][:SHOWN]
        group = self.breakpoints.watcher.group
        values = {"step": float(self.spec.step)}
        if group and isinstance(group[0], float):
            values["loss"] = group[0]
        return Hit(
            text=f"step {self.spec.step:,} of {watch.variable or watch.name} is about to be made",
            phase="step",
            here={
                "optimizer": optimizer,
                "parameters": dict(held),
                "gradients": {name: p.grad for name, p in held if p.grad is not None},
            },
            values=values,
        )

    def ended(self) -> str:
        steps = self.breakpoints.watcher.steps
        return f"--break-on {self.spec.text}: the watch saw {steps:,} steps, so it never came to that one"
