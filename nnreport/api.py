"""nnreport inside a script or a notebook: the same stages in one process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from nnreport.build import build_report
from nnreport.errors import UsageError
from nnreport.job import Job
from nnreport.report import Report
from nnreport.session import Collector

if TYPE_CHECKING:
    from torch import nn


def inspect(
    model: nn.Module,
    *inputs: Any,
    data: Iterable[Any] | Callable[[], Iterable[Any]] | None = None,
    loss: str | Callable[..., Any] | None = None,
    optimizer: str | Callable[..., Any] | None = None,
    steps: int = 30,
    seed: int = 0,
    device: str | None = None,
    probe: bool = True,
    pictures: bool = True,
    budget: float | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    title: str = "",
    **keywords: Any,
) -> Report:
    """The report of a model that is there already. The model is not changed, to the bit.

    Args:
        model: any module, in any mode, on any device.
        inputs: what ``model(*inputs, **keywords)`` takes; tensors, or the spellings of ``--input`` (``"1,784"``).
        data: batches ``(inputs, target)``, dicts or tensors, or a callable that gives them.
        loss: a name from ``torch.nn.functional``, or ``loss(output, target)``.
        optimizer: ``"sgd:lr=0.1"``, or a callable that takes the parameters.
        steps: training steps of the probe.
        seed: seed of all that is random; the caller's random state is put back.
        device: where the copy is trained; None: where the model is.
        probe: False: no training, no timing.
        pictures: False: no sample of what goes in and comes out is kept.
        budget: seconds for the short counterfactual runs.
        select: checks or groups to run; empty means all.
        ignore: checks or groups to leave out.
        title: title of the report.
        keywords: keyword inputs of the model.

    Raises:
        UsageError: ``model`` is no module, or an input or option cannot be used; one line says how to mend it.
    """
    import torch

    from nnreport.inspector.feeding.inputs import Sample, sample_from_specs, sample_of
    from nnreport.inspector.live import loaded_from_module
    from nnreport.inspector.pipeline import Pipeline

    if not isinstance(model, torch.nn.Module):
        raise UsageError(f"inspect() takes a torch.nn.Module, not a {type(model).__name__}")
    place = device or str(next((p.device for p in model.parameters()), torch.device("cpu")))
    job = Job(
        target=type(model).__name__,
        loss=loss if isinstance(loss, str) else None,
        optimizer=optimizer if isinstance(optimizer, str) else None,
        steps=steps,
        seed=seed,
        device=place,
        probe=probe,
        pictures=pictures,
        budget=budget,
        command="nnreport.inspect(…)",
    )
    sample: Sample | None = None
    if inputs and all(isinstance(each, str) for each in inputs) and not keywords:
        sample = sample_from_specs(list(inputs), model, seed)
    elif inputs or keywords:
        sample = sample_of(model, inputs, keywords, "given")
    collector = Collector()
    state = torch.random.get_rng_state()
    try:
        with redirect_stdout(sys.stderr):  # what the model prints is talk, not data
            Pipeline(
                job,
                collector,
                loaded=loaded_from_module(model),
                sample=sample,
                data=data,
                loss=None if isinstance(loss, str) else loss,
                optimizer=None if isinstance(optimizer, str) else optimizer,
            ).run()
    finally:
        torch.random.set_rng_state(state)
    if collector.usage is not None:
        raise UsageError(collector.usage)
    return build_report(collector.facts, collector.stages.values(), select=select, ignore=ignore, title=title)
