"""dead-relu: units that never fire

## Looks for
ReLU, ReLU6 and threshold layers in which units put out zero at every position of every sample, over several fresh
batches after the last probe step. Over 60 % of a layer is reported, over 90 % as an error. Units are counted, not
elements: half of all elements being zero is what a ReLU is for.

## Why it matters
A unit that is zero for every input has no gradient and comes back only by chance. A wholly dead layer cuts the net in
two: nothing before it learns, nothing after it sees the input.

## How to mend it
Dead from the start: look at the bias (a prior belongs into the last layer only) and at the scale of the weights and
the inputs. Dead after a few steps: lower the learning rate, or use `LeakyReLU`, `GELU` or a norm before the
activation.

## Quiet when
The share is what default initialisation gives (42–55 % on uncentred data), or within chance of it in a narrow layer
(the limit is 50 % plus one over the square root of the units); the layer is no ReLU; a ReLU that multiplies another
tensor is reported only above 90 %. A narrow lead over the limit in a net that learns is a note, and so are layers of
fewer than seven units, which are all dead by chance more than once in a hundred, unless the net does not learn; a
wholly dead layer beside which the net learns (a squeezing gate, a residual branch) is a warning.

## Known limits
Of a watched script only layers that are dead as a whole are seen. With few samples rare units look dead; the message
says how many were seen. Synthetic noise may fail to excite units that real data would: a layer that is not wholly
dead from the start is then at most a warning.

## Sources
Measured: a healthy 784-256-256-10 net has 14–19 % units that never fire; a net that has fitted its one batch showed
34–42 %, hence the fresh batches. SageMaker Debugger calls a layer dead over 50 %; torchdiag warns at 20 % and
AutoTrainer's share of zero elements (70 %) flags healthy ResNets, embeddings and LoRA. Lu et al. 2019, Dying ReLU and
Initialization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.learning import MOVING, fits, learning
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import late, percent
from nnreport.checks.voice import own_data, premise
from nnreport.facts import ActivationSeries, Facts, Probe
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("probe",)

KINDS = frozenset({"ReLU", "ReLU6", "Threshold"})
WARN = 0.60
"""Share of dead units; healthy layers reach 0.55."""
ERROR = 0.90
HEALTHY = 0.50
"""A healthy share on uncentred data, to which chance adds in narrow layers."""
NARROW = 0.10
"""A lead over the limit that is no more than this, in a net that learns (or may, on made-up data), is a note."""
CHANCE = 0.01
"""Where healthy units are all dead by chance more often than this (fewer than seven), a net that may be learning gets a note."""
ALL = 0.999
"""Share of zeros of a whole layer, in a watched script."""
LEAST_OBSERVED = 3
FEW_SAMPLES = 64
"""Below this the message says how few were seen."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is not None and probe.watched:
        yield from _watched(facts, probe)
        return
    measured = [each for each in probe.activations if each.kind in KINDS and each.dead is not None] if probe else []
    if not measured:
        raise NotApplicable("no ReLU was watched")
    found = [each for each in measured if (each.dead or 0.0) > _limit(each)]
    if not found:
        return
    learns = fits(facts)
    severities = {id(each): _severity(facts, each, learns) for each in found}
    order: list[Severity] = ["error", "warning", "note"]
    severity = min(severities.values(), key=order.index)
    lead = next(each for each in found if severities[id(each)] == severity)  # the first in order of execution starves the rest
    share, limit = lead.dead or 0.0, _limit(lead)
    modules = list(dict.fromkeys(each.module for each in found))
    names = lookup(facts)
    born = lead.dead_initial is not None and lead.dead_initial > limit
    few = (
        f", seen over only {lead.dead_samples} samples"
        if 0 < lead.dead_samples < FEW_SAMPLES
        else f" over {lead.dead_samples} samples"
    )
    others = [each for each in modules if each != lead.module]
    yield Finding(
        check="dead-relu",
        severity=severity,
        module=lead.module,
        modules=modules,
        location=lead.location if lead.location and lead.location.user else names.call_line(lead.module),
        message=(
            f"{percent(share)} of the {lead.units} units of {_called(facts, lead)} put out zero for every input{few}"
            f"{premise(facts)}; the limit is {percent(limit)}." + (f" Likewise {spread_names(others)}." if others else "")
        ),
        evidence={
            "dead_units": share,
            "limit": limit,
            "units": lead.units,
            "dead_before_training": lead.dead_initial,
            "samples": lead.dead_samples,
            "layers": len(found),
        },
        why=(
            (
                "They were dead before the first step, so the cause is the bias, the weights or the scale of the input. "
                if born
                else "They died during the probe's steps, so the updates were too large for them. "
                if lead.dead_initial is not None
                else ""
            )
            + (
                "Nothing before this layer gets a gradient through it."
                if share == 1
                else "A dead unit gets no gradient and stays dead."
            )
        ),
        fix=(
            "Set the bias of the layer before it to zero and scale its weights to the fan-in; centre the input."
            if born
            else "Lower the learning rate, or put a norm before the activation; LeakyReLU or GELU keep a gradient."
        ),
        code="nn.init.zeros_(layer.bias)\nnn.init.kaiming_normal_(layer.weight, nonlinearity='relu')"
        if born
        else "nn.LeakyReLU(0.01)",
    )


def _watched(facts: Facts, probe: Probe) -> Iterator[Finding]:
    """In a script's own run every observed step had its own batch: a layer that puts out nothing but zeros at all late ones is
    dead. Single units are not told apart there."""
    layers = [each for each in probe.activations if each.kind in KINDS and len(each.zeros) >= LEAST_OBSERVED]
    if not layers:
        raise NotApplicable("no ReLU was watched often enough")
    found = [each for each in layers if min(map(float, late(each.zeros)[-LEAST_OBSERVED:])) >= ALL]
    if not found:
        return
    lead, names = found[0], lookup(facts)
    born = lead.zeros[0] >= ALL
    modules = list(dict.fromkeys(each.module for each in found))
    yield Finding(
        check="dead-relu",
        severity="warning" if fits(facts) is True else "error",
        module=lead.module,
        modules=modules,
        location=lead.location if lead.location and lead.location.user else names.call_line(lead.module),
        message=f"{_called(facts, lead)} puts out nothing but zeros at each of the last {LEAST_OBSERVED} observed steps; the "
        f"limit is {percent(ALL)}.",
        evidence={"zeros": lead.zeros[-1], "limit": ALL, "at_first_step": lead.zeros[0], "layers": len(found), "dead_units": 1.0},
        why=("It was dead at the first step already. " if born else "It died in training, so the updates were too large for it. ")
        + "Nothing before this layer gets a gradient through it.",
        fix="Set the bias of the layer before it to zero and scale its weights to the fan-in; centre the input."
        if born
        else "Lower the learning rate, or put a norm before the activation; LeakyReLU or GELU keep a gradient.",
        code="nn.LeakyReLU(0.01)",
    )


def _limit(series: ActivationSeries) -> float:
    """The share above which a layer is reported: chance makes the healthy half look larger in a narrow one."""
    if series.gate:
        return ERROR
    chance = HEALTHY + 1 / math.sqrt(series.units) if series.units else 1.0
    return min(max(WARN, chance), ERROR)


def _severity(facts: Facts, series: ActivationSeries, learns: bool | None) -> Severity:
    share = series.dead or 0.0
    if HEALTHY**series.units > CHANCE and (learns is not False or _moves(facts)):
        return "note"
    if share > ERROR:
        born = (series.dead_initial or 0.0) > ERROR
        if learns is True:
            return "warning"  # the signal has another way
        return "error" if own_data(facts) or (born and share == 1) else "warning"
    settled = learns is True or (learns is None and not own_data(facts))  # made-up data may leave the question open
    return "note" if settled and share <= _limit(series) + NARROW else "warning"


def _moves(facts: Facts) -> bool:
    """The loss came down, if by too little to call it learning."""
    verdict = learning(facts)
    return verdict is not None and verdict.best_fall >= MOVING


def _called(facts: Facts, series: ActivationSeries) -> str:
    if series.node:
        return f"the {series.node} in {lookup(facts).label(series.module)}"
    return lookup(facts).label(series.module)
