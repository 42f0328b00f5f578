"""non-finite: NaN or infinity appears

## Looks for
The first operation, and the step, at which a value stops being finite: in the recorded forward if it reaches the
output, or in the probe's forward, loss, backward or update.

## Why it matters
One NaN spreads to every weight within a step. What is seen later, forty layers on, is never where it began.

## How to mend it
Look at the operation that the finding names and at the range of what it read: a logarithm, root or division at zero,
an exponential beyond 88, a mask that leaves a row empty, or an update that was too large. The data themselves come
first.

## Quiet when
Infinities that are a mask's (−inf before a softmax) and never reach output, loss or gradient.

## Known limits
An operation that emits NaN into a branch which `torch.where` discards is only seen once its gradient is NaN; then the
branch is named, rightly. With synthetic noise an input that is never negative in life may be: then it is a warning.

## Sources
PyTorch #160016, #143658, #43405 ("which operation first produced it"); transformers' DebugUnderflowOverflow;
TorchLens find_nan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure, finite, reals
from nnreport.checks.voice import own_data
from nnreport.checks.walk import Walk, walk
from nnreport.facts import Facts, Location, Node, NonFinite, Range
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("graph",)

HINTS = {
    "log": "Add an epsilon inside the logarithm, or clamp what it reads.",
    "sqrt": "Add an epsilon under the root: at 0 its gradient is infinite, below 0 it is NaN.",
    "rsqrt": "Add an epsilon under the root.",
    "div": "Add an epsilon to the denominator, or clamp it.",
    "exp": "Clamp what the exponential reads: float32 overflows at 88.7.",
    "pow": "Keep the base positive: clamp it or add an epsilon.",
    "softmax": "A row that is masked altogether is 0/0: leave one entry open, or skip such rows.",
}


def check(facts: Facts) -> Iterator[Finding]:
    bad = _bad_input(facts)
    if bad is not None:
        yield bad
        return
    probe = facts.probe
    if probe is not None and probe.nonfinite is not None and _matters(facts, probe.nonfinite):
        yield _from_probe(facts, probe.nonfinite)
        return
    if facts.graph is None:
        raise NotApplicable("no forward was recorded")
    graph = walk(facts.graph)
    if any(_broken(out.output_range) or any(map(_broken, out.input_ranges)) for out in graph.outputs):
        node = _origin(graph)
        if node is not None:
            yield _from_graph(facts, node)


def _broken(held: Range | None) -> bool:
    return held is not None and (held.nan > 0 or held.inf > 0)


def _bad_input(facts: Facts) -> Finding | None:
    """The data are non-finite themselves."""
    if not own_data(facts) or facts.probe is None or facts.probe.data is None:
        return None
    data = facts.probe.data
    ranges = [(f"The input {spec.name}", spec.range) for spec in data.inputs]
    ranges.append(("The target", data.target.range if data.target else None))
    for name, held in ranges:
        if held is not None and (held.nan or held.inf):
            return Finding(
                check="non-finite",
                severity="error",
                message=f"{name} holds {held.nan} NaN and {held.inf} infinite values among {held.count:,} that were looked at.",
                evidence={"nan": held.nan, "inf": held.inf, "count": held.count, "limit": 0},
                why="The first step makes every weight NaN.",
                fix="Clean the data: drop or fill these values before they reach the model.",
                code="assert torch.isfinite(x).all()",
            )
    return None


def _matters(facts: Facts, found: NonFinite) -> bool:
    """Something that training needs became non-finite: an infinity that a mask put there does not."""
    probe = facts.probe
    if probe is None or found.phase != "forward":
        return True
    numbers = [*reals(probe.losses), *reals(probe.gradient_norms)]
    return len(finite(probe.losses)) < len(probe.losses) or not all(map(math.isfinite, numbers))


def _from_probe(facts: Facts, found: NonFinite) -> Finding:
    names = lookup(facts)
    where = names.label(found.module) if found.module or found.operation else "the model"
    when = "in the first forward" if found.step == 0 and found.phase == "forward" else f"at step {found.step} ({found.phase})"
    if found.parameter:
        which = "The gradient" if found.phase == "backward" else "The update"
        what = f"{which} of {found.parameter} is the first to become non-finite, {when}"
    else:
        what = f"The first NaN or infinity comes from {found.operation or 'an operation'} in {where}, {when}"
    learns_first = found.step > 0
    severity: Severity = "error" if own_data(facts) or learns_first else "warning"
    if learns_first and not own_data(facts) and not (facts.probe and facts.probe.optimizer and facts.probe.optimizer.user):
        severity = "warning"
    return _finding(
        facts,
        message=f"{what}{_read(found.inputs)}.",
        severity=severity,
        module=found.module or (found.parameter.rpartition(".")[0] if found.parameter else None),
        location=found.location or (names.call_line(found.module) if found.module else None),
        operation=found.operation,
        inputs=found.inputs,
        step=found.step,
        node=None,
    )


def _origin(graph: Walk) -> Node | None:
    """The first operation with a non-finite output whose inputs are all finite, on a way to a non-finite output."""
    suspects: set[int] = set()
    for out in graph.outputs:
        if _broken(out.output_range) or any(map(_broken, out.input_ranges)):
            suspects |= graph.upstream(out)
    nan_first = sorted(
        (node for node in graph.operations() if node.id in suspects and _broken(node.output_range)),
        key=lambda node: (not (node.output_range and node.output_range.nan), node.id),
    )
    for node in nan_first:
        if not any(held is not None and held.nan for held in node.input_ranges):
            return node
    return nan_first[0] if nan_first else None


def _from_graph(facts: Facts, node: Node) -> Finding:
    names = lookup(facts)
    inputs = [held for held in node.input_ranges if held is not None]
    return _finding(
        facts,
        message=f"The output is not finite: the first NaN or infinity on its way comes from "
        f"{node.name} in {names.label(node.module)}{_read(inputs)}.",
        severity="error" if own_data(facts) else "warning",
        module=node.module,
        location=names.node_line(node),
        operation=node.name,
        inputs=inputs,
        step=0,
        node=node.id,
    )


def _read(inputs: list[Range]) -> str:
    if not inputs:
        return ""
    held = [f"{figure(each.minimum)} to {figure(each.maximum)}" for each in inputs[:2]]
    return f", which read values from {' and from '.join(held)}"


def _finding(
    facts: Facts,
    message: str,
    severity: Severity,
    module: str | None,
    location: Location | None,
    operation: str,
    inputs: list[Range],
    step: int,
    node: int | None,
) -> Finding:
    evidence: dict = {"operation": operation, "step": step, "limit": 0}
    if inputs:
        evidence |= {"input_minimum": inputs[0].minimum, "input_maximum": inputs[0].maximum, "input_zeros": inputs[0].zeros}
    key = next((key for key in HINTS if operation.startswith(key)), "")
    noise = "" if own_data(facts) else " The data were synthetic noise: check whether real inputs can have these values."
    return Finding(
        check="non-finite",
        severity=severity,
        module=module,
        location=location,
        node=node,
        message=message,
        evidence=evidence,
        why="From here it spreads to the loss, to every gradient and with the next update to every weight." + noise,
        fix=HINTS.get(
            key,
            "Look at what this operation read, and keep it inside its domain; if it appears "
            "only after some steps, lower the learning rate.",
        ),
        code="torch.log(x + 1e-6)" if key == "log" else "",
    )
