"""batchnorm-batch-one: a batch norm that is shown one value per channel

## Looks for
A BatchNorm that trains on batches with a single value per channel: one sample, and a map of one position.

## Why it matters
The variance of one value is 0: PyTorch refuses (``Expected more than 1 value per channel when training``), and with two or
three values the statistics are noise.

## How to mend it
A larger batch, ``drop_last=True`` in the DataLoader where only the last batch is short, or a norm that looks at one sample
(``LayerNorm``, ``GroupNorm``).

## Quiet when
* only the *given example* has a batch of one and no data was given: real batches are larger;
* the feature map has positions enough: BatchNorm2d on one picture of 8×8 works;
* the norm is in evaluation mode (frozen).

## Known limits
A last batch of one sample in an epoch is only seen if it is among the batches that were looked at.

## Sources
Measured: ``BatchNorm1d`` with one sample raises, ``BatchNorm2d`` on 8×8 works; SCNet#8, ISBNet#12, pytorch#2961. torch-audit
TA304 counts samples, which is why it fires on convolutions too.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import BATCH_OF_ONE
from nnreport.checks.lookup import lookup
from nnreport.checks.voice import own_data
from nnreport.checks.walk import BATCH_NORMS, elements, walk
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("tree",)


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    if not own_data(facts):
        return
    named = lookup(facts)
    refused = next((failure for failure in facts.failures if BATCH_OF_ONE in failure.message), None)
    data = facts.probe.data if facts.probe else None
    path, location, shape = "", None, None
    severity: Severity = SEVERITY
    if refused is not None:
        path, location, severity = refused.module or "", refused.location, "error"
        shape = refused.inputs[0].shape if refused.inputs else None
    elif data is not None and data.batch == 1 and facts.graph is not None:
        graph = walk(facts.graph)
        for node in graph.operations(BATCH_NORMS):
            module = named.module(node.module)
            per_sample = elements(node.reads[0].shape[2:]) if node.reads else 2
            if per_sample == 1 and (module is None or module.training):
                path, location, shape = node.module, named.node_line(node), node.reads[0].shape
                break
        else:
            return
    else:
        return
    yield Finding(
        check="batchnorm-batch-one",
        severity=severity,
        message=(
            f"{named.label(path)} trains on one value per channel (batch {data.batch if data else 1}"
            + (f", input {shape}" if shape else "")
            + "; at least 2 are needed)"
            + (": PyTorch refuses" if refused is not None else "")
        ),
        module=path,
        location=location or named.call_line(path),
        evidence={"batch": data.batch if data else 1, "values_per_channel": 1, "limit": 2, "refused": refused is not None},
        why="The variance of a single value is 0, so there is nothing to normalise by.",
        fix="Use larger batches (drop_last=True for a short last one), or LayerNorm or GroupNorm.",
        code="DataLoader(..., batch_size=32, drop_last=True)",
    )
