"""saturated-activation: tanh or sigmoid on its rails

## Looks for
Hidden tanh, sigmoid, hard-tanh and hard-sigmoid layers of which over half of the outputs lie within 2 % of a rail, in
most of the late probe steps.

## Why it matters
There the curve is flat: the derivative of a tanh at 0.98 is 0.04, and each saturated layer multiplies the gradient by
it. The layer acts as a bank of fixed switches.

## How to mend it
Scale the weights before it to their fan-in (Xavier), normalise the input, put a norm before the activation, or lower
the learning rate if it saturates only during training.

## Quiet when
The output is a gate (it multiplies another tensor) or the model's own output: both may well be 0 or 1. Softmax,
LayerNorm, logits and recurrent gates are no saturating activations.

## Known limits
Binarising layers that are meant to sit on the rails are flagged. A layer of a handful of units is judged by the same
share.

## Sources
Glorot and Bengio 2010. SageMaker Debugger and TheDeepChecker judge tanh and sigmoid alike; torchmortem judges every
leaf by |a| > .95 and so flags LM heads and LayerNorms (1.00 and 0.87 in health), which is why this check is bound to
the kind.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import late, median, percent
from nnreport.checks.voice import premise
from nnreport.facts import ActivationSeries, Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe",)

KINDS = frozenset({"Tanh", "Sigmoid", "Hardtanh", "Hardsigmoid"})
LIMIT = 0.5
"""Share of outputs within 2 % of a rail. Unit-scale inputs give a tanh 2 %, inputs of standard deviation 3 give it 44 %."""


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    measured = [each for each in probe.activations if each.kind in KINDS and each.rails and not each.gate] if probe else []
    if not measured:
        raise NotApplicable("no hidden tanh or sigmoid was watched")
    found = [each for each in measured if _late(each) > LIMIT]
    if not found:
        return
    lead = found[0]
    share = _late(lead)
    born = lead.rails[0] > LIMIT
    modules = list(dict.fromkeys(each.module for each in found))
    names = lookup(facts)
    called = f"the {lead.node} in {names.label(lead.module)}" if lead.node else names.label(lead.module)
    others = [each for each in modules if each != lead.module]
    yield Finding(
        check="saturated-activation",
        severity="warning",
        module=lead.module,
        modules=modules,
        location=lead.location if lead.location and lead.location.user else names.call_line(lead.module),
        message=(
            f"{percent(share)} of the outputs of {called} lie within 2 % of a rail{premise(facts)}; the limit is "
            f"{percent(LIMIT)}." + (f" Likewise {spread_names(others)}." if others else "")
        ),
        evidence={"saturated": share, "limit": LIMIT, "at_first_step": lead.rails[0], "units": lead.units, "layers": len(found)},
        why=(
            "It saturates before the first step, so the weights or the input before it are too large. "
            if born
            else "It was driven there in training, so the steps are too large. "
        )
        + "On the rails the derivative is under 0.04: hardly any gradient passes to the layers before.",
        fix=(
            "Scale the weights before it to their fan-in (Xavier), or normalise what it reads."
            if born
            else "Lower the learning rate, or put a norm before the activation."
        ),
        code="nn.init.xavier_uniform_(layer.weight)" if born else "",
    )


def _late(series: ActivationSeries) -> float:
    return median([float(each) for each in late(series.rails)])
