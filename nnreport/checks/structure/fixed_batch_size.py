"""fixed-batch-size: the model runs with the given batch size only

## Looks for
An evaluation forward that fails with every other number of samples than the given one, or with a single sample.

## Why it matters
The last batch of an epoch is smaller, and a service sends one sample at a time: both fail. The cause is a size written into a
``view``, a state tensor of fixed batch, or a ``squeeze()`` that takes the batch axis with it.

## How to mend it
``x.view(x.size(0), -1)`` for ``x.view(32, -1)``; ``torch.zeros(layers, x.size(0), hidden)`` for a state; ``squeeze(-1)`` for
``squeeze()``.

## Quiet when
* the inputs share no leading axis, or it does not show in the output: then it is no batch;
* only training mode fails with one sample (``batchnorm-batch-one``).

## Known limits
Models that work on whole sets (a fixed graph with a fixed number of nodes) are reported where the number of nodes looks like
a batch.

## Sources
This project's trials at 1, 2, 3, one more and twice as many samples.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import BatchTrial, Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("experiments",)
LEAST_TRIALS = 2
"""Failing sizes before it is said that the size is fixed."""


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    assert facts.experiments is not None
    trials = [trial for trial in facts.experiments.batches if trial.mode == "eval"]
    failed = [trial for trial in trials if not trial.works]
    given = facts.graph.batch if facts.graph else None
    if not failed or relations(facts):
        return
    if len(failed) == len(trials) and len(trials) >= LEAST_TRIALS:
        sizes = ", ".join(str(trial.batch) for trial in failed)
        message = f"evaluation works with {given or 'the given number of'} samples and fails with {sizes}"
    elif [trial.batch for trial in failed] == [1]:
        message = "evaluation fails with a single sample, and works with " + ", ".join(str(t.batch) for t in trials if t.works)
    else:
        return
    yield finding(facts, failed, message)


def relations(facts: Facts) -> bool:
    """Is the leading axis that of a square matrix among the inputs or constants (a graph's nodes), and so no batch?"""
    graph = facts.graph
    if graph is None or graph.batch is None or graph.batch < 2:
        return False
    return any(
        tensor.shape == [graph.batch, graph.batch]
        for node in graph.nodes
        if node.kind in ("input", "constant")
        for tensor in node.outputs
    ) or any(
        parameter.kind == "buffer" and parameter.shape == [graph.batch, graph.batch]
        for parameter in (facts.tree.parameters if facts.tree else ())
    )


def finding(facts: Facts, failed: list[BatchTrial], message: str) -> Finding:
    named = lookup(facts)
    first = failed[-1]
    return Finding(
        check="fixed-batch-size",
        severity=SEVERITY,
        message=f"{message}: {first.error}",
        module=first.module or None,
        location=first.location or named.call_line(first.module),
        evidence={"failed": ", ".join(str(trial.batch) for trial in failed), "given": facts.graph.batch if facts.graph else None},
        why="The last batch of an epoch and a single request have other sizes: both will fail.",
        fix="Take the batch size from the input (x.size(0)) instead of a constant; name the axis of squeeze().",
        code="x = x.view(x.size(0), -1)",
    )
