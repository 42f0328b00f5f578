"""The training loop of ``nnreport debug``, as plain as a user's: where nothing of the user's runs, the debugger opens here."""

from __future__ import annotations

from typing import Any


def train(model: Any, task: Any, steps: int) -> None:
    """Trains ``model`` on the user's batches one after the other, or on the one that there is; what the user's code raises goes
    through."""
    from nnreport.inspector.training.task import needs_closure

    optimizer = task.new_optimizer(model)
    for step in range(steps):
        batch = task.data.fresh(step - 1) if step and task.data.user else task.data.first
        if needs_closure(optimizer):
            task.step(model, optimizer, batch)
            continue
        optimizer.zero_grad()
        output = task.forward(model, batch)
        loss = task.objective(output, batch)
        loss.backward()
        optimizer.step()
