"""``finding:SLUG``: a check would find something, on what is known so far."""

from __future__ import annotations

from typing import Any

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.hit import Hit
from nnreport.inspector.breaking.known import Known
from nnreport.inspector.watching.observer import is_observed
from nnreport.inspector.watching.optimizers import OptimizerWatch


class Judged(Condition):
    """Asked after each observed step; opens at the user's line that made it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked = 0
        self.reason = ""

    def after_step(self, watch: OptimizerWatch) -> Hit | None:
        breakpoints = self.breakpoints
        watcher = breakpoints.watcher
        if breakpoints.judge is None or watch is not watcher.leader or not is_observed(watch.steps - 1, watcher.every):
            return None
        if breakpoints.known is None:
            breakpoints.known = Known(watcher, breakpoints.seed)
        self.asked += 1
        finding, self.reason = breakpoints.judge(self.spec.argument, breakpoints.known.facts())
        if finding is None:
            return None
        root = watcher.models[0].watch.root() if watcher.models else None
        named = dict(root.named_parameters()) if root is not None else {}
        prefix = f"{finding.module}." if finding.module else ""
        near = {name: p for name, p in named.items() if name.startswith(prefix)}
        return Hit(
            text=f"{self.spec.argument}: {finding.message.rstrip('.')}",
            phase="step",
            module=finding.module,
            here={
                "finding": finding,
                "module": module_at(root, finding.module),
                "parameters": near,
                "gradients": {name: p.grad for name, p in near.items() if p.grad is not None},
            },
            values={k: float(v) for k, v in finding.evidence.items() if isinstance(v, (int, float)) and not isinstance(v, bool)},
            made=finding.location,
        )

    def ended(self) -> str:
        if self.asked and self.reason:
            return f"--break-on {self.spec.text}: that check could not be asked while the script ran ({self.reason})"
        return ""


def module_at(root: Any, path: str | None) -> Any:
    """The module of that path; None where there is none."""
    if root is None or path is None:
        return None
    try:
        return root.get_submodule(path)
    except AttributeError:
        return None
