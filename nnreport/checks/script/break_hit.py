"""break-hit: a breakpoint was hit

## Looks for
The breakpoints of `--break-on`, each where it was first hit: the line, the module, and the tensors at hand with their
shapes, ranges and values that are not finite. `nan`, `explode` and `dead` say themselves that something is wrong;
`step`, `forward`, `backward`, `finding` and `error` are where you asked to look.

## Why it matters
One sees the values at the moment at which it happened, and not what became of them.

## How to mend it
Look at the tensors that the finding lists. In a terminal the debugger opens there: `show(t)` draws a tensor, `c` goes
on, `q` ends the script. `nnreport debug` does the same with a model alone.

## Quiet when
No breakpoint was asked for, or none was hit.

## Known limits
Each breakpoint is recorded at its first hit. An infinity that the author wrote (`-inf` in a mask) does not count, nor
does an infinite gradient under a GradScaler. Where a model is compiled, its inner operations are not seen.

## Sources
PyTorch's anomaly mode; transformers' DebugUnderflowOverflow.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import shape
from nnreport.checks.series import figure
from nnreport.facts import Break, BreakTensor, Facts, Number
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("breaks",)

SEVERITIES: dict[str, Severity] = {"nan": "error", "explode": "error", "dead": "warning"}
"""Of the conditions that are faults in themselves; the others are where the user wanted to look."""
SHOWN = 8
"""Tensors in the evidence."""

FIXES = {
    "nan": "Look at what the operation read: a logarithm, root or division at zero, an exponential beyond 88.",
    "explode": "Clip the gradient, lower the learning rate, or look for the batch that did it.",
    "dead": "Lower the learning rate, use a leaky activation, or look at the bias and the scale of what comes in.",
}
LOOK = "Look at the tensors that were at hand."
TERMINAL = "Run it in a terminal: the debugger opens there."
CODES = {"explode": "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"}
WHY = {
    "nan": "A NaN spreads to every weight within one step.",
    "explode": "One step of that size undoes what was learnt.",
    "dead": "No gradient passes a unit that is zero, so nothing before this layer learns from the batch.",
}


def check(facts: Facts) -> Iterator[Finding]:
    for hit in facts.breaks:
        yield Finding(
            check="break-hit",
            severity=SEVERITIES.get(hit.kind, "note"),
            module=hit.module,
            location=hit.made if at_fault(hit) else hit.location,
            message=f"--break-on {hit.what}, after {steps(hit.step)}: {hit.text.rstrip('.')}{built(hit)}.",
            evidence=evidence(hit),
            fix=FIXES.get(hit.kind, LOOK if hit.terminal else TERMINAL),
            code=CODES.get(hit.kind, ""),
            why=WHY.get(hit.kind, "You asked to stop here."),
        )


def steps(count: int) -> str:
    return f"{count:,} optimizer step{'' if count == 1 else 's'}"


def at_fault(hit: Break) -> bool:
    """The line of the forward that built a node tells more than the one that called ``backward``."""
    return hit.kind == "nan" and hit.made is not None and hit.made.line > 0


def built(hit: Break) -> str:
    """Backward: which line of the forward it belongs to, where the finding does not stand there."""
    if hit.made is None or hit.phase != "backward" or at_fault(hit):
        return ""
    return f"; the forward built it at {hit.made.path}:{hit.made.line}"


def evidence(hit: Break) -> dict[str, Number | str | bool | None]:
    """The measurement, then the tensors at hand."""
    found: dict[str, Number | str | bool | None] = dict(hit.values)
    for tensor in hit.tensors[:SHOWN]:
        found[tensor.name] = describe(tensor)
    if len(hit.tensors) > SHOWN:
        found["more tensors"] = len(hit.tensors) - SHOWN
    return found


def describe(tensor: BreakTensor) -> str:
    """``float32[8, 4], -1.2 to 3.4, 16 NaN``."""
    held = tensor.range
    words = [shape(tensor.tensor)]
    if held is not None:
        if held.count > held.nan + held.inf:
            words.append(f"{figure(held.minimum)} to {figure(held.maximum)}")
        words += [f"{count:,} {name}" for count, name in ((held.nan, "NaN"), (held.inf, "Inf")) if count]
    return ", ".join(words)
