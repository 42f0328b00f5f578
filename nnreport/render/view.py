"""The ten-second view of a report, in words: the verdict and five numbers. Every output format opens with it."""

from __future__ import annotations

from typing import NamedTuple

from nnreport.facts import Number
from nnreport.finding import SEVERITIES
from nnreport.render import format
from nnreport.report import Report


class KeyNumber(NamedTuple):
    """One of the numbers that stand first."""

    label: str
    value: str
    note: str = ""
    """What belongs to it: ``all trainable``, ``4,200 samples/s``; why it is missing."""


def verdict(report: Report) -> str:
    """``2 errors, 1 warning``; ``No problem found in 62 checks``."""
    parts = [format.plural(n, severity) for severity in SEVERITIES if (n := report.count(severity))]
    if parts:
        return ", ".join(parts)
    ran = checks_run(report)
    if not ran:
        return "No check could be run"
    found = f"No problem found in {format.plural(ran, 'check')}"
    return f"{found}, but the inspection is not complete" if report.failed_stages else found


def checks_run(report: Report) -> int:
    """Checks that gave an answer."""
    return sum(outcome.state in ("passed", "found") for outcome in report.outcomes)


def key_numbers(report: Report) -> list[KeyNumber]:
    """Parameters, FLOPs, training step, memory, loss: always five, ``—`` with the reason where one is missing."""
    return [_parameters(report), _flops(report), _step(report), _memory(report), _loss(report)]


def why_missing(report: Report, *stages: str) -> str:
    """Why what these stages gather is not there, in a few words."""
    for stage in report.stages:
        if stage.name in stages and stage.state != "ok":
            return {"killed": "stopped", "timeout": "timed out"}.get(stage.state, stage.state)
    return "not measured"


def _parameters(report: Report) -> KeyNumber:
    total, trainable = report.model.parameters, report.model.trainable
    if total is None:
        return KeyNumber("parameters", format.NOTHING, why_missing(report, "tree", "load"))
    free = "all trainable" if trainable == total else f"{format.short(trainable)} trainable" if trainable else "none trainable"
    if report.model.kind == "weights":
        free = ""
    value = format.count(total) if total < 1_000_000 else format.short(total)
    return KeyNumber("parameters", value, free if total else "")


def _flops(report: Report) -> KeyNumber:
    graph = report.facts.graph
    if report.model.flops is None:
        return KeyNumber("FLOPs forward", format.NOTHING, why_missing(report, "trace", "load"))
    inputs = [each.tensor.shape for each in report.facts.target.inputs if each.tensor]
    note = f"input {format.shape(inputs[0])}" if inputs else ""
    if graph and graph.uncounted:
        note = f"at least; {format.plural(len(graph.uncounted), 'operation')} uncounted"
    return KeyNumber("FLOPs forward", format.scaled(report.model.flops, format.SI, 1000), note)


def _step(report: Report) -> KeyNumber:
    profile, run = report.facts.profile, report.facts.run
    if run is not None and run.step_median:
        note = f"{format.short(run.samples_per_second)} samples/s" if run.samples_per_second else "median"
        return KeyNumber("training step", format.seconds(run.step_median), note)
    if profile is None or not profile.step:
        return KeyNumber("training step", format.NOTHING, why_missing(report, "profile", "probe", "load"))
    rate = f"{format.short(profile.throughput)} samples/s" if profile.throughput else f"batch {profile.batch}"
    return KeyNumber("training step", format.seconds(profile.step), rate)


def _memory(report: Report) -> KeyNumber:
    profile = report.facts.profile
    if profile is None or not profile.peak_memory:
        if report.model.size is None:
            return KeyNumber("memory", format.NOTHING, why_missing(report, "profile", "load"))
        return KeyNumber("memory", format.size(report.model.size), "weights alone")
    return KeyNumber(
        "memory", format.size(profile.peak_memory), f"peak of a step at batch {profile.batch}" if profile.batch else "peak"
    )


def _loss(report: Report) -> KeyNumber:
    probe = report.facts.probe
    if probe is None or not probe.losses:
        return KeyNumber("loss", format.NOTHING, (probe.reason if probe else "")[:60] or why_missing(report, "probe", "load"))
    first, last = probe.losses[0], probe.losses[-1]
    run = report.facts.run
    if run is not None:
        checked = f", validation {figure(run.validation.values[-1])}" if run.validation.values else ""
        return KeyNumber("loss", f"{figure(first)} → {figure(last)}", f"in {format.plural(probe.done, 'step')}{checked}")
    return KeyNumber("loss", f"{figure(first)} → {figure(last)}", f"in {format.plural(probe.done, 'step')} on one batch")


def figure(value: Number) -> str:
    """A loss with three significant digits."""
    return format.number(value, 3)
