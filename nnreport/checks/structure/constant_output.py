"""constant-output: every sample gets the same output

## Looks for
Outputs whose spread over different samples is under 1e-4 of their scale, in evaluation (with batch-norm statistics calibrated
first) and in training mode.

## Why it matters
The model does not look at its input: whatever it is trained to, it can only learn the average.

## How to mend it
Find the first module whose output no longer differs between samples (the report's signal-flow chart), and look there: dead
units, an axis that was averaged away, a constant.

## Quiet when
* the output is exactly zero or the head starts at zero, as diffusion models and adapters do on purpose: it moves after one
  step;
* the probe showed that the net learns from its inputs all the same (twelve plain layers shrink the spread and still train);
* the leading axis is no batch.

## Known limits
Detectors whose untrained heads answer with a strong prior are near the limit. On made-up inputs it is a warning.

## Sources
TheDeepChecker (constant outputs), measured: fresh BatchNorm statistics make evaluation outputs look constant (1e-5 where
training mode gives 0.6), so both modes are asked; default initialisation of 12 ReLU layers gives 3e-6 absolute and trains.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.learning import fits
from nnreport.checks.lookup import lookup
from nnreport.checks.series import spread_in_training
from nnreport.checks.voice import own_data
from nnreport.checks.walk import walk
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("experiments",)
SPREAD = 1e-4
"""Standard deviation over the batch over the output's rms."""


def output_module(facts: Facts) -> str:
    """Path of the module that makes the output which the loss reads."""
    return facts.probe.output.module if facts.probe and facts.probe.output else ""


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    trials = facts.experiments
    assert trials is not None
    spread, training = trials.output_spread, trials.output_spread_train
    if spread is None or spread >= SPREAD or (training is not None and training >= SPREAD):
        return
    if _alike(facts):
        raise NotApplicable("the samples of the batch are alike")
    if fits(facts) is True or zero_head(facts) or spread_in_training(facts, output_module(facts)) >= SPREAD:
        return
    module, before = first_constant(facts)
    named = lookup(facts)
    place = (
        f"; {named.label(module)} is the first module whose output does not differ (spread {before:.1g})"
        if module is not None
        else ""
    )
    inputs = "" if own_data(facts) else " (made-up inputs)"
    yield Finding(
        check="constant-output",
        severity=SEVERITY if own_data(facts) else "warning",
        message=(
            f"different samples{inputs} give the same output: its spread is {spread:.1g} of its scale (limit {SPREAD:g}){place}"
        ),
        module=module,
        location=named.call_line(module) if module is not None else facts.target.location,
        evidence={"spread": spread, "spread_in_training": training, "limit": SPREAD},
        why="A model whose output does not depend on the sample can only learn the average of the targets.",
        fix=(
            "Look at the first module whose output no longer differs: dead units, an averaged axis, a value far "
            "larger than the signal."
        ),
    )


def _alike(facts: Facts) -> bool:
    """All that goes in is one number, many times."""
    ranges = [spec.range for spec in facts.target.inputs if spec.tensor is not None]
    return own_data(facts) and bool(ranges) and all(each is not None and each.count > 1 and each.std == 0 for each in ranges)


def zero_head(facts: Facts) -> bool:
    """Does the output come of weights that start at zero?"""
    if facts.graph is None or facts.weights is None:
        return False
    graph = walk(facts.graph)
    zero = {stats.name for stats in facts.weights.stats if len(stats.shape) > 1 and stats.count and stats.zeros == stats.count}
    for _, source in graph.final():
        node = source
        for _ in range(4):  # past a final activation or scaling
            if set(node.parameters) & zero:
                return True
            before = graph.source(node)
            if before is None or len(node.inputs) != 1:
                break
            node = before
    return False


def first_constant(facts: Facts) -> tuple[str | None, float]:
    """The first module in order of execution whose output does not differ between samples, none after it being better."""
    assert facts.experiments is not None
    found: tuple[str | None, float] = (None, 0.0)
    for path, value in facts.experiments.initial_spread.items():
        if not path:
            continue
        if value >= SPREAD:
            found = (None, 0.0)
        elif found[0] is None:
            found = (path, value)
    return found
