"""nondeterministic-eval: two evaluations of one input differ

## Looks for
Two forwards in evaluation mode on the same input whose outputs differ by more than kernels do (1e-5 of the output's scale).

## Why it matters
Predictions cannot be reproduced, metrics wobble, and most often something that belongs to training is still on: ``F.dropout``
without ``training=``, a layer made anew in forward, noise added without asking for the mode.

## How to mend it
Make the random part depend on ``self.training``; if it is meant (sampling in a VAE, Monte-Carlo dropout), say so in the
documentation and offer a deterministic path.

## Quiet when
The difference is that of kernels which sum in another order.

## Known limits
Sampling by design is reported too: the message names the operation, so that a reader can tell.

## Sources
TrainCheck (transformers issue 33844), measured with ``F.dropout(h, .5)``. The limit is that of sums in another order.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("experiments",)
KERNEL_NOISE = 1e-5
"""Relative difference up to which two runs are the same."""
DRAWS = frozenset(
    ["randn", "rand", "randn_like", "rand_like", "normal", "rsample", "sample", "bernoulli", "multinomial", "normal_", "randint"]
)


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    trials = facts.experiments
    assert trials is not None
    difference = trials.nondeterminism
    if difference is None or difference <= KERNEL_NOISE:
        return
    named = lookup(facts)
    what, module = trials.nondeterminism_operation, trials.nondeterminism_module
    place = (
        f"; they part at {what} in {named.label(module)}" if what else f"; they part in {named.label(module)}" if module else ""
    )
    state = trials.nondeterminism_cause == "state"
    meant = " (sampling in evaluation, if that is meant)" if what in DRAWS else ""
    yield Finding(
        check="nondeterministic-eval",
        severity=SEVERITY,
        message=(
            f"two evaluations of the same input differ by {difference:.2g} of the output's scale "
            f"(limit {KERNEL_NOISE:g}){place}{meant}"
            + (": the first forward leaves something behind that the second reads" if state else "")
        ),
        module=module if module or what else None,
        location=trials.nondeterminism_location or named.call_line(module),
        evidence={
            "difference": difference,
            "limit": KERNEL_NOISE,
            "operation": what or None,
            "cause": trials.nondeterminism_cause or None,
        },
        why="Predictions and metrics cannot be reproduced; often something that belongs to training is still on.",
        fix=(
            "Keep no state between calls, or reset it at the start of forward."
            if state
            else "Make the random part depend on self.training."
        ),
        code="" if state else "if self.training:\n    x = x + noise",
        node=trials.nondeterminism_node,
    )
