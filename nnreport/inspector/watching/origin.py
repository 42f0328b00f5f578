"""Where a non-finite loss of the running script began: its forward is run again on a copy, and every operation looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from nnreport.facts import NonFinite
from nnreport.inspector.clone import clone
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.training.nonfinite import find
from nnreport.inspector.training.outputs import own_loss, prediction
from nnreport.inspector.watching.losses import LossCall


def find_origin(latest: Any, calls: list[LossCall], step: int) -> NonFinite | None:
    """The first operation of the last forward, or of its loss, that made NaN or Inf; None where there is no forward to run.

    Args:
        latest: (model, forward), the last call of a watched model.
        calls: losses computed since the last backward pass.
        step: number of the step.
    """
    if latest is None or latest[1].arguments is None:
        return NonFinite(step=step, phase="loss")
    model, forward = latest
    root = model.watch.root()
    path = model.watch.names.get(id(forward.entry), "")
    if root is None:
        return None
    args, kwargs = forward.arguments
    with torch.random.fork_rng():
        copy = clone(root)
        task = SimpleNamespace(
            forward=lambda copy, batch: copy.get_submodule(path)(*batch.args, **batch.kwargs),
            objective=lambda output, batch: objective(output, calls),
        )
        found = find(copy, task, Batch(args, kwargs), step, gradient=False)
    for call in calls:
        if found.phase == "loss" and found.location is None:
            found.location = call.location
    return found


def objective(output: Any, calls: list[LossCall]) -> Tensor:
    """The loss of that output, as the script computed it."""
    own = own_loss(output)
    if own is not None:
        return own
    found = prediction(output)
    assert found is not None
    return replay(calls[0], found[1]) if calls else found[1].sum()


def replay(call: LossCall, output: Tensor) -> Tensor:
    """The same loss with the same target, of another output."""
    rest = dict(call.arguments)
    function: Any = getattr(torch.nn.functional, call.name)
    loss: Tensor = function(output, call.target, *rest.pop("*", ()), **rest)
    return loss if loss.dim() == 0 else loss.mean()
