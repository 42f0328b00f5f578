"""no-gradient: a trainable parameter never gets a gradient

## Looks for
Two things. Parameters that the forward reads and that no path of the autograd graph connects to any output. And
parameters whose gradient was exactly zero (or missing) at every observed probe step, at least three.

## Why it matters
They keep their initial values for ever. The net may still learn around them, and its loss curve looks healthy: a
`detach` in the middle of a net reached full accuracy on easy data.

## How to mend it
Find what stands between them and the loss: `detach`, `.data`, `argmax` and other index choices, `round`, NumPy,
`no_grad`, dead units. If they are meant to stay as they are, say so with `requires_grad_(False)`.

## Quiet when
The module is never called (`unused-module`) or was not chosen this time (idle experts, LayerDrop); embedding rows
that no token asked for; parts of the output that the loss does not read; what lies before a softmax over a single
key; zero gradients that end within three steps (LoRA, zero-initialised residuals); frozen parameters. A parameter
that nothing reads is a note.

## Known limits
Parameters that get a gradient only in a branch the sample did not take are reported. A gradient that underflows to
exactly zero counts as zero.

## Sources
PyTorch's own tracker and W&B #2625, #3640 (reports for frozen parameters); torch-audit warns at the first step, which
zero-γ ResNets (8 parameters), LoRA and embeddings fail in health, hence three steps. Measured: a top-1 router left 8
of 34 gradients missing on one batch, those of idle experts.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.gradients._paths import alone_before_softmax, idle
from nnreport.checks.layers import EMBEDDING_KINDS, layers
from nnreport.checks.lookup import lookup, spread_names
from nnreport.checks.series import capital
from nnreport.checks.voice import own_data, premise
from nnreport.facts import Facts
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "error"
NEEDS = ("tree",)

LEAST_STEPS = 3
"""Observed steps: zero-initialised partners get their first gradient at step 2 or 3."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.reach is None and (facts.probe is None or not facts.probe.parameters):
        raise NotApplicable("no backward pass was made")
    unreached = set(facts.reach.none) if facts.reach else set()
    tried = {each.name: each for each in facts.experiments.silent} if facts.experiments else {}
    woken = {name for name, trial in tried.items() if trial.elsewhere}
    unreached -= woken
    silent: list[str] = []
    if facts.probe is not None:
        for series in facts.probe.parameters:
            if series.steps >= LEAST_STEPS and series.zero_steps + series.none_steps >= series.steps and series.zero_steps:
                silent.append(series.name)
    cut: list[str] = []
    unread: list[str] = []
    reads = layers(facts).reads
    known = facts.graph is not None and facts.graph.complete and bool(facts.graph.nodes) and not facts.graph.truncated
    for name in (each.name for each in facts.tree.parameters if each.name in unreached) if facts.tree else ():
        if not idle(facts, name):
            moves = tried[name].moves if name in tried else None
            read = moves > 0 if moves is not None else (name in reads or not known)
            (cut if read else unread).append(name)
    behind = alone_before_softmax(facts) if silent else frozenset()
    silent = [each for each in silent if each not in unreached | woken | behind and not _excused(facts, each)]
    if cut:
        yield _finding(facts, cut, "error", "no path leads from any output of the model back to", kind="unreached")
    if silent:
        severity: Severity = "error" if own_data(facts) else "warning"
        steps = max(each.steps for each in facts.probe.parameters) if facts.probe else 0
        words = f"the gradient was exactly zero at each of {steps} observed steps{premise(facts)} for"
        yield _finding(facts, silent, severity, words, kind="zero")
    if unread:
        yield _finding(facts, unread, "note", "nothing in the forward pass reads", kind="unread")


def _excused(facts: Facts, name: str) -> bool:
    module = name.rpartition(".")[0]
    return idle(facts, name) or lookup(facts).kind(module) in EMBEDDING_KINDS


def _finding(facts: Facts, names: list[str], severity: Severity, words: str, kind: str) -> Finding:
    known = lookup(facts)
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    lead = _common(modules) if len(modules) > 1 else modules[0]
    count = sum(known.parameters[name].count for name in names if name in known.parameters)
    total = facts.tree.trainable if facts.tree else 0
    share = f" ({count:,} of {total:,} trainable elements)" if total else ""
    return Finding(
        check="no-gradient",
        severity=severity,
        module=lead if lead in modules or lead else modules[0],
        modules=modules,
        location=known.call_line(modules[0]),
        message=f"{capital(words)} {spread_names(names)}{share}.",
        evidence={
            "parameters": len(names),
            "elements": count,
            "first": names[0],
            "kind": kind,
            "least_steps": LEAST_STEPS,
        },
        why=(
            "It is registered and trainable, costs memory in the optimizer, and does nothing; often a layer was renamed "
            "or forgotten."
            if kind == "unread"
            else "Training leaves these weights as they were drawn; what they compute stays random."
        ),
        fix=(
            "Use it in forward, or delete it."
            if kind == "unread"
            else "Find what cuts them off (detach, .data, argmax, round, NumPy, no_grad, dead units); "
            "if they are meant to stay fixed, freeze them."
        ),
        code=f"self.{lead or modules[0]}.requires_grad_(False)  # only if it is meant" if lead or modules[0] else "",
    )


def _common(modules: list[str]) -> str:
    """The deepest path that is a parent of all, or one of them."""
    parts = [path.split(".") for path in modules]
    shared = []
    for each in zip(*parts, strict=False):
        if len(set(each)) > 1:
            break
        shared.append(each[0])
    return ".".join(shared) or modules[0]
