"""A watched training script in words, rows and charts, for the screen and for paper."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from nnreport.facts import Facts, LoaderRun, Number, OptimizerRun, Run, Series
from nnreport.render import charts, format
from nnreport.render.charts import Chart, Level, Line

LINES = 6
"""Lines in one chart, at most."""


class Grid(NamedTuple):
    """A small table."""

    title: str
    head: list[str]
    rows: list[list[str]]


def words(facts: Facts) -> str:
    """What ran, in one sentence."""
    run = facts.run
    assert run is not None
    command = shlex.join([run.script, *run.arguments])
    steps = format.plural(run.steps, "optimizer step")
    after = " and then left alone" if run.limit and run.steps >= run.limit else ""
    ended = "" if run.status in (None, 0) else f"; it ended with status {run.status}"
    took = f" in {format.seconds(run.seconds)}" if run.seconds else ""
    where = f" (rank {run.rank} of {run.world})" if run.world > 1 else ""
    whole = f"{command}{where} was watched for {steps}{took}{after}{ended}."
    return f"{whole} All numbers are of that run: its data, loss and optimizer."


def numbers(run: Run) -> list[tuple[str, str]]:
    """The run in a few pairs."""
    pairs: list[tuple[str, str]] = []
    if run.losses.values:
        first, last = run.losses.values[0], run.losses.values[-1]
        pairs.append(("Training loss", f"{format.number(first, 4)} → {format.number(last, 4)}"))
    if run.validation.values:
        ends = f"{format.number(run.validation.values[0], 4)} → {format.number(run.validation.values[-1], 4)}"
        pairs.append(("Validation loss", f"{ends}, {format.plural(len(run.validation.values), 'evaluation')}"))
    if run.step_median:
        rate = f", {format.short(run.samples_per_second)} samples/s" if run.samples_per_second else ""
        pairs.append(("One step", f"{format.seconds(run.step_median)} (median){rate}"))
    waited = sum(loader.waited for loader in run.loaders if loader.training)
    if run.seconds and any(loader.training for loader in run.loaders):
        pairs.append(("Waiting for the loader", f"{format.percent(min(1.0, waited / run.seconds), 1)} of the time"))
    if run.scaler:
        pairs.append(("GradScaler", f"{format.plural(run.skipped_steps, 'step')} left out for non-finite gradients"))
    if run.autocast:
        pairs.append(("Autocast", run.autocast))
    if run.overhead and run.seconds:
        pairs.append(("The watch itself", f"{format.percent(min(1.0, run.overhead / run.seconds), 1)} of the time"))
    return pairs


# --------------------------------------------------------------------------------------------------------------- tables


def tables(run: Run) -> list[Grid]:
    """Models, optimizers, loaders, evaluations and ranks; those that there are."""
    made = [_models(run), _optimizers(run), _loaders(run), _evaluations(run), _ranks(run)]
    return [grid for grid in made if grid is not None]


def _models(run: Run) -> Grid | None:
    if not run.models:
        return None
    rows = []
    for model in run.models:
        modes = ""
        if model.steps_train_mode or model.steps_eval_mode:
            modes = f"{model.steps_train_mode:,} train, {model.steps_eval_mode:,} eval"
        wrapped = [*model.wrapped, *(["torch.compile"] if model.compiled else [])]
        rows.append(
            [
                named(model.name, model.variable),
                f"{model.parameters:,}",
                f"{model.trainable:,}",
                f"{model.train_forwards:,}",
                modes or "no difference",
                ", ".join(wrapped) or "nothing",
            ]
        )
    return Grid("Models", ["model", "parameters", "trainable", "training forwards", "steps in mode", "wrapped in"], rows)


def _optimizers(run: Run) -> Grid | None:
    if not run.optimizers:
        return None
    rows = []
    for each in run.optimizers:
        kept = ("lr", "momentum", "weight_decay", "betas")
        settings = ", ".join(f"{k}={format.setting(v)}" for k, v in each.settings.items() if k in kept and v)
        passes = f"{format.number(each.passes, 3)}" if each.steps else format.NOTHING
        made = format.place(each.location) if each.location else ""
        rows.append(
            [named(each.name, each.variable), settings, f"{each.elements:,}", f"{each.steps:,}", passes, ends(each.losses), made]
        )
    head = ["optimizer", "settings", "parameters", "steps", "backward passes a step", "loss", "made at"]
    return Grid("Optimizers", head, rows)


def _loaders(run: Run) -> Grid | None:
    if not run.loaders:
        return None
    rows = [
        [
            loader.dataset or "?",
            "training" if loader.training else "evaluation",
            format.NOTHING if loader.samples is None else f"{loader.samples:,}",
            format.NOTHING if loader.batch is None else f"{loader.batch:,}",
            order(loader),
            f"{loader.workers}",
            f"{loader.batches:,}",
            format.seconds(loader.waited / loader.batches) if loader.batches else format.NOTHING,
        ]
        for loader in run.loaders
    ]
    return Grid("Data loaders", ["dataset", "for", "samples", "batch", "order", "workers", "batches", "wait for one"], rows)


def order(loader: LoaderRun) -> str:
    """How its samples come."""
    return {"RandomSampler": "shuffled", "SequentialSampler": "as stored"}.get(loader.sampler, loader.sampler or "of a stream")


def _evaluations(run: Run) -> Grid | None:
    if not run.evaluations:
        return None
    rows = [
        [
            run.models[each.model].name if each.model < len(run.models) else "?",
            f"{each.phases:,}",
            f"{each.forwards:,}",
            "train" if each.train_mode == each.phases else "eval" if not each.train_mode else "both",
            "yes" if each.with_gradient else "no",
            ends(each.losses),
        ]
        for each in run.evaluations
    ]
    return Grid("Evaluation", ["model", "times", "forwards", "mode", "builds graphs", "loss"], rows)


def _ranks(run: Run) -> Grid | None:
    if len(run.ranks) < 2:
        return None
    rows = [
        [
            f"{rank.rank}",
            f"{rank.steps:,}",
            ends(rank.losses),
            ends(rank.gradient_norms),
            format.number(rank.weights, 8),
            format.seconds(rank.step_seconds),
            format.seconds(rank.waited),
        ]
        for rank in run.ranks
    ]
    head = ["rank", "steps", "loss", "gradient norm", "sum of all weights", "one step", "waited for data"]
    return Grid("Ranks", head, rows)


def named(cls: str, variable: str) -> str:
    return f"{cls} ({variable})" if variable and variable != cls else cls


def ends(series: Series) -> str:
    """First → last."""
    if not series.values:
        return format.NOTHING
    return f"{format.number(series.values[0], 4)} → {format.number(series.values[-1], 4)}"


# --------------------------------------------------------------------------------------------------------------- charts


def over_steps(
    title: str, named_series: Sequence[tuple[str, Series, bool]], *, width: int, levels: Sequence[Level] = (), log: bool = False,
    y_label: str = "", height: int = 260,
) -> Chart | None:  # fmt: skip
    """Series with steps of their own in one chart; the last of each triple: few values, to be joined and marked."""
    some = [(name, series, sparse) for name, series, sparse in named_series if series.values][:LINES]
    if not some or max(len(series.values) for _, series, _ in some) < 2:
        return None
    steps = sorted({step for _, series, _ in some for step in series.steps})
    lines = []
    for name, series, sparse in some:
        at: dict[int, Number] = dict(zip(series.steps, series.values, strict=False))
        lines.append(Line(name, [at.get(step) for step in steps], sparse=sparse or len(at) < len(steps)))
    return charts.line(title, lines, steps, y_label=y_label, log=log, levels=levels, width=width, height=height)


def loss_chart(facts: Facts, log: bool, width: int) -> Chart | None:
    """Training and validation loss over the steps."""
    run = facts.run
    assert run is not None
    tried = facts.experiments
    levels = []
    if tried and tried.baseline_loss is not None:
        levels.append(Level(tried.baseline_loss, f"best constant guess {format.number(tried.baseline_loss, 3)}"))
    every = f" (means of {run.losses.every})" if run.losses.every > 1 else ""
    return over_steps(
        f"Loss over the run's steps{every}",
        [("training", run.losses, False), ("validation", run.validation, True)],
        width=width,
        levels=levels,
        log=log,
        y_label="loss",
    )


def wide(run: Run) -> bool:
    """Does the loss span so much that only a logarithmic axis shows it?"""
    known = [v for v in map(format.finite, [*run.losses.values, *run.validation.values]) if v is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 100


def further_charts(run: Run, width: int) -> list[Chart]:
    """Gradient norm, learning rate, time of a step, each optimizer's loss, the scale, the ranks: those that say something."""
    made = [
        over_steps("Gradient norm", [("norm", run.gradient_norms, False)], width=width, log=True, y_label="norm"),
        over_steps("Learning rate", _rates(run.optimizers), width=width, y_label="lr") if _rates_change(run) else None,
        over_steps("Seconds of each step", [("seconds", run.step_seconds, False)], width=width, log=True, y_label="seconds"),
    ]
    if len(run.optimizers) > 1:
        each = [(named(o.variable or o.name, ""), o.losses, False) for o in run.optimizers]
        made.append(over_steps("Loss before each optimizer's steps", each, width=width, y_label="loss"))
    made.append(over_steps("Loss scale", [("scale", run.scale, False)], width=width, log=True, y_label="scale"))
    if len(run.ranks) > 1:
        ranks = [(f"rank {rank.rank}", rank.losses, False) for rank in run.ranks]
        made.append(over_steps("Loss of each rank", ranks, width=width, y_label="loss"))
    return [chart for chart in made if chart is not None]


def _rates(optimizers: Sequence[OptimizerRun]) -> list[tuple[str, Series, bool]]:
    return [(o.variable or o.name, o.rates, False) for o in optimizers]


def _rates_change(run: Run) -> bool:
    """A rate that never changes stands in the table."""
    return any(len(set(map(str, o.rates.values))) > 1 for o in run.optimizers)
