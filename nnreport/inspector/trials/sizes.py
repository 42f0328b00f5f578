"""Does the model run with other numbers of samples than the given one?"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from nnreport.facts import BatchTrial, Experiments, Location
from nnreport.inspector.locate import traceback_frames
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.clock import OutOfTime
from nnreport.inspector.trials.determinism import KERNEL_NOISE, relative
from nnreport.inspector.trials.lab import Lab, output_tensors
from nnreport.inspector.trials.pool import NoBatch
from nnreport.inspector.trials.watch import ModuleStack

LARGEST = 128
"""Twice the given batch is not tried beyond this."""
MESSAGE = 300


def batch_sizes(lab: Lab, found: Experiments) -> None:
    """Fills ``found.batches``: eval mode at 1, 2, 3, one more than given and twice as many; train mode at 1.

    Nothing is tried where the leading axis of the inputs does not show in the output: then it is no batch.
    """
    given = lab.sample.batch
    if given is None:
        raise NoBatch("the inputs share no leading axis")
    model = lab.calm
    try:
        outputs = [t for _, t in lab.run(model, lab.pool.given) if t.dim()]
    except OutOfTime:
        raise
    except Exception:
        outputs = []
    if outputs and not any(given in t.shape for t in outputs):
        raise NoBatch("no axis of the output is as long as the input's leading one")
    sizes = sorted({1, 2, 3, given + 1, 2 * given} - {given})
    trials = [attempt(lab, model, size, "eval") for size in sizes if size <= max(LARGEST, given + 1)]
    if given > 1 and not any(trial.works for trial in trials) and entangled(lab, given):
        raise NoBatch("no other size works and its rows depend on each other: the leading axis is that of a graph or a set")
    found.batches += trials
    found.batches.append(attempt(lab, lab.copy().train(), 1, "train"))


def entangled(lab: Lab, given: int) -> bool:
    """At the given size, rows of the output that has that many move when other rows of the input are replaced."""
    inputs, other = lab.pool.given, lab.pool.draw(given, 5)
    before = lab.run(lab.calm, inputs)
    after = dict(lab.run(lab.calm, inputs.with_rows(other, list(range(0, given, 2)))))
    pairs = [(old[1::2], after[name][1::2]) for name, old in before if old.dim() and old.shape[0] == given and name in after]
    return any(old.shape == new.shape and relative(old, new) > KERNEL_NOISE for old, new in pairs)


def attempt(lab: Lab, model: nn.Module, size: int, mode: Literal["eval", "train"]) -> BatchTrial:
    """One forward with ``size`` samples, without gradients; if it fails, where."""
    inputs = lab.pool.draw(size, 3)
    lab.clock.check()
    stack = ModuleStack.of(model)
    with stack.followed(), seeded(lab.seed, lab.device), torch.no_grad():
        try:
            output_tensors(model(*inputs.args, **inputs.kwargs))
        except Exception as error:
            text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            return BatchTrial(
                batch=size,
                mode=mode,
                works=False,
                error=f"{type(error).__name__}: {text}"[:MESSAGE],
                module=stack.inside,
                location=where(error),
            )
    return BatchTrial(batch=size, mode=mode, works=True)


def where(error: BaseException) -> Location | None:
    """The user's own innermost line on the traceback."""
    frames = [frame.location for frame in traceback_frames(error.__traceback__) if frame.location.user]
    return frames[-1] if frames else None
