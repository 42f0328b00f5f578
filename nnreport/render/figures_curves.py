"""Curves over the probe's steps and over the depth of the model, on matplotlib axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnreport.facts import Facts, Number, Probe
from nnreport.render import format
from nnreport.render.page_training import wide


def plain(values: Sequence[Number | None]) -> list[float]:
    """Numbers as matplotlib takes them: what is not finite is a gap."""
    return [math.nan if (value := format.finite(each)) is None else value for each in values]


def escaped(name: str) -> str:
    """A name of the model's, shortened, as matplotlib shows it and does not set it as mathematics."""
    return format.elide(name, 32).replace("$", r"\$")


def log_if(axes: Any, values: Sequence[float], wanted: bool) -> None:
    """A logarithmic axis where it is wanted and something is positive."""
    if wanted and any(value > 0 for value in values):
        axes.set_yscale("log")


def loss(figure: Any, facts: Facts) -> None:
    """The loss at each step, with the best constant guess where it is known."""
    probe, tried = facts.probe, facts.experiments
    assert probe is not None
    axes = figure.subplots()
    values = plain(probe.losses)
    axes.plot(values, label="loss")
    if tried and len(tried.longer_losses) > len(probe.losses):
        axes.plot(plain(tried.longer_losses), linestyle="--", label="trained on")
    if tried and tried.baseline_loss is not None:
        axes.axhline(tried.baseline_loss, linestyle=":", color="0.5", label="best constant guess")
    log_if(axes, values, wide(probe.losses))
    axes.set(xlabel="step", ylabel=probe.loss.name if probe.loss and probe.loss.name else "loss", title="Loss")
    if len(axes.lines) > 1:
        axes.legend()


def rates(figure: Any, facts: Facts) -> None:
    """The same steps at other learning rates."""
    probe, tried = facts.probe, facts.experiments
    assert probe is not None
    assert tried is not None
    axes = figure.subplots()
    own = probe.optimizer.learning_rate if probe.optimizer else 0.0
    lines = [(own, probe.losses), *((trial.learning_rate, trial.losses) for trial in tried.rates if trial.losses)]
    for rate, values in sorted(lines, key=lambda pair: pair[0]):
        axes.plot(plain(values), label=f"{rate:.3g}" if rate else "as given")
    log_if(axes, plain(probe.losses), True)
    axes.set(xlabel="step", ylabel="loss", title="Loss at other learning rates")
    axes.legend(title="learning rate")


def norm(figure: Any, probe: Probe) -> None:
    """The norm of the whole gradient over the steps."""
    axes = figure.subplots()
    values = plain(probe.gradient_norms)
    axes.plot(values)
    log_if(axes, values, True)
    axes.set(xlabel="step", ylabel="norm", title="Gradient norm")


def flow(figure: Any, probe: Probe) -> None:
    """Gradient rms of each parameter in the order of the model, early, midway and late."""
    some = [series for series in probe.parameters if series.gradient]
    n = len(probe.observed)
    axes = figure.subplots()
    for i in dict.fromkeys((0, n // 2, n - 1)):
        values = plain([series.gradient[i] if i < len(series.gradient) else None for series in some])
        axes.plot(values, marker="o" if len(some) <= 60 else None, label=f"step {probe.observed[i]}")
        log_if(axes, values, True)
    if len(some) <= 24:
        axes.set_xticks(range(len(some)), [escaped(series.name) for series in some], rotation=90)
        axes.set_xlabel("parameter, input to output")
    else:
        axes.set_xlabel(f"parameter, input to output (0 … {len(some) - 1})")
    axes.set(ylabel="rms of the gradient", title="Gradient flow")
    axes.legend()
