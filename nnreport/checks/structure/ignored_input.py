"""ignored-input: an input that does not matter

## Looks for
An input that can be replaced by noise, zeros or other tokens without any change in any output, and that receives no gradient.

## Why it matters
The model was given something it does not use: a forgotten concatenation, a branch whose result is dropped, a variable
overwritten.

## How to mend it
Follow the input from the signature of ``forward``; the graph shows where it ends.

## Quiet when
* the given value is constant (a mask of ones, a full-length vector): nothing can be said;
* it matters in training mode only, or is a target by its name (``labels``);
* nothing at all moves the output: that is ``constant-output``, or a head that starts at zero.

## Known limits
An input that acts only beyond a threshold which no replacement crossed is reported.

## Sources
Karpathy's recipe (input-independent baseline), TheDeepChecker (zeroed inputs), mltest (input dependency). After a detach the
gradient alone misleads, so both are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, InputInfluence
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("experiments",)
TARGETS = ("label", "target", "return_loss")
"""Inputs that are there for a loss."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per input."""
    assert facts.experiments is not None
    entries = facts.experiments.influence
    if not any(entry.moved for entry in entries):
        return  # nothing moves the output: the cause is elsewhere
    for entry in entries:
        if entry.constant or entry.moved is None or entry.moved > 0 or entry.gradient or entry.train_only:
            continue
        if any(word in entry.name.lower() for word in TARGETS):
            continue
        yield finding(facts, entry)


def finding(facts: Facts, entry: InputInfluence) -> Finding:
    named = lookup(facts)
    shape = next((spec.tensor.shape for spec in facts.target.inputs if spec.name == entry.name and spec.tensor), None)
    readers = next(
        (
            sum(node.id in each.inputs for each in facts.graph.nodes)
            for node in (facts.graph.nodes if facts.graph else ())
            if node.kind == "input" and node.name == entry.name and facts.graph
        ),
        None,
    )
    unread = " (no operation reads it)" if readers == 0 else ""
    return Finding(
        check="ignored-input",
        severity=SEVERITY,
        message=(
            f"the input {entry.name}{f' {shape}' if shape else ''} does not matter{unread}: "
            "replacing it changes no output (0, exactly)" + (", and it gets no gradient" if entry.gradient is False else "")
        ),
        module="",
        location=facts.target.location or named.class_line(""),
        evidence={"input": entry.name, "moved": entry.moved, "gradient": entry.gradient, "readers": readers},
        why="The model's predictions cannot depend on something it was meant to see.",
        fix=(
            f"Follow {entry.name} from the signature of forward: it is overwritten, dropped, or joined nowhere. "
            f"If it is not needed, remove it."
        ),
    )
