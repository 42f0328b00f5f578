"""How each neighbour is called on one prepared network, and what its rules may mean. Run by ``neighbours.py``."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

STEPS = 30
SEVERED = "no-gradient graph-cut detach-in-forward numpy-in-forward unused-module unregistered-parameter forward-called-directly "
WEAK = "vanishing-gradient vanishing-signal small-init logit-collapse "
BURST = "exploding-gradient unstable-op non-finite large-init learning-rate-high loss-diverges "
STILL = "learning-rate-low update-too-small no-gradient "
MEANS = {  # what a rule of theirs may mean among the checks that the cases expect; what is not here names none of them
    "Vanishing gradients": WEAK + SEVERED,
    "Gradient stalling": WEAK + SEVERED + "dead-relu",
    "Exploding gradients": BURST,
    "Dead units": "dead-relu relu-output",
    "Activation saturation": WEAK + "large-init sigmoid-with-bce-logits",
    "Update ratio too low": STILL + WEAK,
    "Update ratio too high": BURST,
    "Training divergence": BURST,
    "Loss plateau": STILL + WEAK + "loss-floor cannot-overfit",
    "Rank collapse": WEAK + "constant-init collapsed-features spatial-collapse",
    "Weight norm explosion": BURST,
    "Stagnant weight norms": STILL + WEAK,
    "Inter-layer weight norm imbalance": "small-init large-init",
    "TA100": BURST,
    "TA102": BURST,
    "TA103": "dead-relu relu-output " + SEVERED + WEAK,
    "TA104": SEVERED,
    "TA105": "dead-relu relu-output vanishing-signal",
    "TA305": "label-dtype",
    "TA405": "dead-relu small-init constant-init",
    "TA500": "unused-module forward-called-directly unregistered-module",
    "None gradients": SEVERED,
    "exploding": BURST,
    "vanishing": WEAK + SEVERED,
    "neurons dead": "dead-relu relu-output",
    "not finite": BURST,
    "No parameters changed": STILL + SEVERED,
    "Forward pass failed": "forward-error",
    "Loss computation failed": "label-dtype",
    "Backward pass failed": "backward-error " + SEVERED,
}
Hit = tuple[str, bool]  # a rule and whether it is loud


@dataclass
class Bench:
    """One network, ready to train."""

    model: nn.Module
    task: Any
    batch: Any
    optimizer: torch.optim.Optimizer
    path: Path

    def step(self) -> torch.Tensor:
        return self.task.step(self.model, self.optimizer, self.batch)


class Single(nn.Module):
    """A model behind one argument, as torchdiag calls it."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.model, self.bench = bench.model, [bench]

    def forward(self, batch: Any) -> Any:
        return self.bench[0].task.forward(self.model, batch)


def bare(bench: Bench) -> list[Hit]:
    for _ in range(STEPS):
        bench.step()
    return []


def torchmortem(bench: Bench) -> list[Hit]:
    from torchmortem import Autopsy

    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("torchmortem").addHandler(handler)
    failed: Exception | None = None
    autopsy = Autopsy(bench.model, optimizer=bench.optimizer)
    try:
        with autopsy:
            for _ in range(STEPS):
                autopsy.step(loss=bench.step().item())
    except Exception as error:  # its report is written all the same
        failed = error
    logging.getLogger("torchmortem").removeHandler(handler)
    with tempfile.TemporaryDirectory() as folder:
        findings = autopsy.report(Path(folder) / "report.html").findings
    hits = [(re.sub(r" in .*| detected$", "", each.title), each.severity.name != "INFO") for each in findings]
    return hits + ([("crash", False)] if "Traceback" in log.getvalue() else []) + ([("raised", False)] if failed else [])


def torch_audit(bench: Bench, every: int = 1000) -> list[Hit]:
    from torch_audit import audit_dynamic

    failed: Exception | None = None
    with audit_dynamic(bench.model, optimizer=bench.optimizer, every_n_steps=every) as auditor:
        try:
            for _ in range(STEPS):
                bench.optimizer.zero_grad(set_to_none=True)
                output = auditor.forward(*bench.batch.args, **bench.batch.kwargs)
                auditor.backward(bench.task.objective(output, bench.batch))
                auditor.optimizer_step()
        except Exception as error:
            failed = error
    findings = auditor.finish(report=False).findings
    hits = [(f.rule_id, f.severity.value != "INFO") for f in findings if f.rule_id not in ("TA000", "TA200", "TA201", "TA203")]
    crashed = any(f.rule_id == "TA000" for f in findings)
    return hits + ([("crash", False)] if crashed else []) + ([("raised", False)] if failed else [])


WORDS = {"gradient is None": "None gradients", "✗ Forward": "Forward pass failed", "✗ Loss": "Loss computation failed"}
WORDS |= {"✗ Backward": "Backward pass failed", "not learn": "No parameters changed"}
WORDS |= {word: word for word in ("None gradients", "exploding", "vanishing", "neurons dead", "not finite")}


def torchdiag(bench: Bench) -> list[Hit]:
    import torchdiag as diag

    single = Single(bench)
    said = io.StringIO()

    def train() -> None:
        for _ in range(STEPS - 1):
            bench.step()

    parts: list[Callable[[], Any]] = [
        lambda: diag.summary(single),
        lambda: diag.check_dead_neurons(single, bench.batch),
        lambda: diag.verify_step(single, bench.optimizer, bench.task.objective, bench.batch, bench.batch),
        train,
        lambda: diag.check_gradients(single),
    ]
    raised: list[Hit] = []
    with contextlib.redirect_stdout(said):
        for part in parts:
            try:
                part()
            except Exception:
                raised = [("raised", False)]
    lines = [line.strip() for line in said.getvalue().splitlines() if line.strip().startswith(("•", "✗"))]
    if any("has no attribute 'shape'" in line for line in lines):  # its own line on an output that is no tensor: no verdict
        raised.append(("crash", False))
        lines = [line for line in lines if "has no attribute 'shape'" not in line]
    hits = [(next((rule for word, rule in WORDS.items() if word in line), line), True) for line in lines]
    return hits + raised


def mldoct(bench: Bench) -> list[Hit]:
    from mldoctor.linter import lint_script

    return [(each["type"], each["severity"] != "INFO") for each in lint_script(str(bench.path))[0]]


TOOLS: dict[str, tuple[str, Callable[[Bench], list[Hit]]]] = {
    "bare loop": ("torch", bare),
    "torchmortem": ("torchmortem", torchmortem),
    "torch-audit": ("torch-audit", torch_audit),
    "torch-audit, every step": ("torch-audit", lambda bench: torch_audit(bench, 1)),
    "torchdiag": ("torchdiag", torchdiag),
    "mldoct check": ("mldoct", mldoct),
}
