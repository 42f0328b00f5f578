"""A failure of the user's code as a finding."""

from __future__ import annotations

from nnreport.facts import Facts, Failure, TensorInfo
from nnreport.finding import Finding, Severity

BATCH_OF_ONE = "Expected more than 1 value per channel"
"""How a batch norm refuses to train on one value; ``batchnorm-batch-one`` speaks of it."""
LONGEST = 240
"""Characters of an exception's message that a finding quotes."""


def of_phase(facts: Facts, phase: str) -> list[Failure]:
    """The failures of one phase: each kind of exception once, as it was first seen (the trace knows more than the probe)."""
    found: dict[tuple[str, bool], Failure] = {}
    for failure in facts.failures:
        if failure.phase == phase:
            found.setdefault((failure.exception, BATCH_OF_ONE in failure.message), failure)
    return list(found.values())


def finding(slug: str, severity: Severity, failure: Failure, where: str, why: str, fix: str = "", code: str = "") -> Finding:
    """What was raised, by which module, given what, expecting what, on which line of the user's."""
    raised = next((line.strip() for line in failure.message.splitlines() if line.strip()), "")
    raised = raised if len(raised) <= LONGEST else raised[: LONGEST - 1] + "…"
    message = f"{where} raises {failure.exception}" + (f": {raised}" if raised else "")
    if failure.inputs:
        message += f". It was given {', '.join(map(shape, failure.inputs))}"
        message += f", and expects {failure.expected}" if failure.expected else ""
    elif failure.expected:
        message += f". It expects {failure.expected}"
    evidence = {
        "exception": failure.exception,
        "given": ", ".join(map(shape, failure.inputs)) or None,
        "expected": failure.expected or None,
        "operation": failure.operation or None,
    }
    return Finding(
        check=slug,
        severity=severity,
        message=message,
        module=failure.module,
        location=failure.location or (failure.frames[-1].location if failure.frames else None),
        evidence={key: value for key, value in evidence.items() if value is not None},
        why=why,
        fix=sentence(failure.hint) or fix or "Mend the quoted line; the traceback's frames are in the report.",
        code=code,
    )


def sentence(hint: str) -> str:
    """A hint as a sentence of its own; a name of the code at its head stays as it is."""
    head = hint.split(" ", 1)[0].rstrip(":,")
    hint = hint[:1].upper() + hint[1:] if head.isalpha() else hint
    return f"{hint}." if hint and hint[-1] not in ".!?`" else hint


def shape(tensor: TensorInfo) -> str:
    """``float32[1, 28, 28]``."""
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]"
