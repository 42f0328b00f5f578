"""From what a watch saw to the records of the report."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import torch

from nnreport.facts import DataInfo, ModelRun, NonFinite, OptimizerInfo, OptimizerRun, Probe, Run, Series, number
from nnreport.inspector.locate import class_location
from nnreport.inspector.watching.log import merged
from nnreport.inspector.watching.trained import TrainedModel
from nnreport.inspector.watching.watcher import Watcher

MOST_NAMES = 200
"""Names of parameters that a record lists."""
MOST_LOSSES = 2000
"""Losses in the record of the probe."""


def gather_run(watcher: Watcher) -> Run:
    """The run as it stands."""
    main = main_index(watcher)
    run = Run(
        limit=watcher.limit,
        every=watcher.every,
        steps=watcher.steps,
        seconds=watcher.ended - watcher.started if watcher.started is not None else 0.0,
        overhead=max(0.0, watcher.own.seconds - watcher.once),
        main=main,
        backwards=watcher.backwards,
        graphs_alive=watcher.graphs.alive,
        graphs_looked=watcher.graphs.looked,
        graphs_location=watcher.graphs.location,
        scaler=watcher.scaler,
        scale=watcher.scale.series(),
        skipped_steps=watcher.skipped,
        step_seconds=watcher.step_seconds.series(),
        labels=watcher.labels.record(),
    )
    run.models = [model_record(model) for model in watcher.models]
    run.optimizers = [optimizer_record(watch, watcher) for watch in watcher.optimizers]
    run.evaluations = [record for i, m in enumerate(watcher.models) if (record := m.evaluations.record(i, m.watch)) is not None]
    run.loaders = [watch.run for watch in watcher.loaders.watches]
    trained_on = {index for m in watcher.models for index in m.loaders if index is not None}
    for index in trained_on:
        run.loaders[index].training = True
    keys = {watch.key: i for i, watch in enumerate(watcher.optimizers)}
    run.schedulers = watcher.schedulers.records(keys.get)
    seconds = watcher.step_seconds.values
    run.step_median = median(seconds) if seconds else 0.0
    if watcher.models:
        model = watcher.models[main]
        run.autocast = model.autocast
        run.gradient_norms = model.observer.norms.series()
        own = next((e for e in run.evaluations if e.model == main), None)
        run.validation = own.losses if own is not None else Series()
        size = watcher.capture.batches[0].size if watcher.capture.batches else 0
        if run.step_median and size and model.step:
            run.samples_per_second = size * model.watch.train_forwards / model.step / run.step_median
    leader = watcher.leader
    if leader is not None:
        run.losses, run.rates = leader.losses.series(), leader.rates.series()
    return run


def main_index(watcher: Watcher) -> int:
    """The model that the report shows: the one with the most trainable parameters of those that were trained; one that an
    optimizer was made for, if there is one, and before that one that the user named."""
    sizes: list[tuple[bool, bool, int]] = [
        (
            model.asked,
            model.primary is not None,
            trainable(model) if model.watch.train_forwards or not model.watch.names else -1,
        )
        for model in watcher.models
    ]
    return max(range(len(sizes)), key=sizes.__getitem__) if sizes else 0


def trainable(model: TrainedModel) -> int:
    root = model.watch.root()
    return sum(p.numel() for p in root.parameters() if p.requires_grad) if root is not None else 0


def model_record(model: TrainedModel) -> ModelRun:
    """What is known of one model."""
    watch, root = model.watch, model.watch.root()
    return ModelRun(
        name=watch.cls.__name__,
        cls=f"{watch.cls.__module__}.{watch.cls.__qualname__}",
        variable=watch.variable,
        parameters=sum(p.numel() for p in root.parameters()) if root is not None else 0,
        trainable=trainable(model),
        entries=list(dict.fromkeys(watch.entries.values())),
        train_forwards=watch.train_forwards,
        steps_train_mode=watch.train_steps,
        steps_eval_mode=watch.eval_steps,
        eval_after=watch.eval_after,
        dropout=[name for name, _ in watch.dropouts][:MOST_NAMES],
        batchnorm=[name for name, _ in watch.norms][:MOST_NAMES],
        unheld=list(model.unheld)[:MOST_NAMES],
        unheld_elements=sum(model.unheld.values()),
        silent=model.silent[:MOST_NAMES],
        training=root.training if root is not None else True,
        held=model.primary is not None,
        compiled=watch.compiled,
        wrapped=watch.wrappers,
        location=class_location(watch.cls),
        call_location=watch.call_location,
    )


def optimizer_record(watch: Any, watcher: Watcher) -> OptimizerRun:
    """What is known of one optimizer, and of the models that its parameters belong to."""
    record: OptimizerRun = watch.record()
    held = watch.parameters()
    ids = {id(p) for p in held}
    record.frozen = sum(not p.requires_grad for p in held)
    for i, model in enumerate(watcher.models):
        root = model.watch.root()
        mine = {id(p) for p in root.parameters()} if root is not None else set()
        if ids & mine:
            record.models.append(i)
    record.orphans = watch.orphans[:MOST_NAMES]
    record.orphan_tensors = len(watch.orphans)
    return record


def gather_probe(watcher: Watcher, prefix: str = "") -> Probe | None:
    """The observed training of the main model, in the record that the checks and pages know; None if nothing was observed.

    Args:
        prefix: path of the module that the report takes for the model, within the watched one; names lose it.
    """
    if not watcher.models:
        return None
    model = watcher.models[main_index(watcher)]
    observer, capture = model.observer, watcher.capture
    owner = model.primary() if model.primary is not None else None
    if owner is None or not owner.steps:
        return None
    owner.losses.fetch()
    factor = max(1, math.ceil(len(owner.losses.values) / MOST_LOSSES))
    _, losses = merged(owner.losses.steps, owner.losses.values, factor)
    first = capture.batches[0] if capture.batches else None
    probe = Probe(
        watched=True,
        steps=watcher.limit or owner.steps,
        done=owner.steps,
        batch=first.size if first is not None else 0,
        mode="eval" if model.watch.eval_steps > model.watch.train_steps else "train",
        loss=capture.loss,
        output=capture.output_info,
        losses=[number(v) for v in losses],
        gradient_norms=observer.norms.series().values,
        observed=list(observer.observed),
        parameters=[s for s in observer.parameters.series if s.name.startswith(prefix)],
        activations=[s for s in observer.record_activations() if s.module.startswith(prefix.rstrip("."))],
        stochastic=bool(model.watch.dropouts),
        deterministic_loss=not model.watch.dropouts,
    )
    if prefix:
        import msgspec

        cut = len(prefix)
        probe.parameters = [msgspec.structs.replace(s, name=s.name[cut:]) for s in probe.parameters]
        probe.activations = [msgspec.structs.replace(s, module=s.module[cut:]) for s in probe.activations]
    given = owner.settings.get("lr")
    rate = owner.rates.values[0] if owner.rates.values else float(given) if isinstance(given, (int, float)) else 0.0
    root = model.watch.root()
    held = {id(p) for p in owner.parameters()}
    probe.optimizer = OptimizerInfo(
        name=owner.name,
        user=True,
        source="given",
        settings=dict(owner.settings),
        learning_rate=rate,
        parameters=len(held),
        missing=[n for n, p in root.named_parameters() if p.requires_grad and id(p) not in held][:MOST_NAMES] if root else [],
        location=owner.location,
    )
    probe.data = data_info(watcher)
    probe.nonfinite = nonfinite(watcher, owner.losses.values)
    return probe


def data_info(watcher: Watcher) -> DataInfo:
    """The first training batch, as the report describes it."""
    from nnreport.inspector.feeding.inputs import describe

    capture = watcher.capture
    info = DataInfo(user=True, source="the script's own batches", batches_seen=len(capture.batches), target=capture.target)
    if info.target is not None:
        info.target.from_output = info.target.from_output or capture.own_labels
        for batch in capture.batches[1:]:
            if info.target.classes and isinstance(batch.target, torch.Tensor):
                for label, count in zip(*(v.tolist() for v in batch.target.unique(return_counts=True)), strict=True):
                    info.target.classes[str(label)] = info.target.classes.get(str(label), 0) + count
    if capture.batches:
        batch = capture.batches[0]
        info.batch = info.given_batch = batch.size
        if capture.entry is not None:
            source = "first batch of the script"
            info.inputs = describe(
                capture.entry, batch.args, batch.kwargs, [source] * len(batch.args), dict.fromkeys(batch.kwargs, source)
            )
    return info


def nonfinite(watcher: Watcher, losses: list[float]) -> NonFinite | None:
    """Where the first NaN or Inf came from; with an accelerator, where the loss was seen too late to ask, only when."""
    if watcher.capture.nonfinite is not None:
        return watcher.capture.nonfinite
    step = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
    return NonFinite(step=step, phase="loss") if step is not None else None
