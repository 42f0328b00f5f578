"""non-finite-weights: NaN or infinity in the weights

## Looks for
NaN or Inf in a parameter or a buffer.

## Why it matters
One NaN in a weight makes every output that it touches NaN, and one step of training spreads it to all others. A checkpoint
that holds it is lost.

## How to mend it
Go back to the last good checkpoint. To find what made it, train with gradient clipping and look at ``non-finite``, which
names the first operation.

## Quiet when
A buffer holds infinities but no NaN: attention masks are made so.

## Known limits
None known: the count is exact.

## Sources
SageMaker Debugger (ExplodingTensor), torch-audit TA100, Hugging Face's underflow-overflow tracer.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("weights",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all such tensors."""
    assert facts.weights is not None
    bad = [each for each in facts.weights.stats if each.nan or (each.inf and each.kind == "parameter")]
    if not bad:
        return
    named = lookup(facts)
    nan, inf = sum(each.nan for each in bad), sum(each.inf for each in bad)
    count = sum(each.count for each in bad)
    first = bad[0]
    path = first.module or first.name.rpartition(".")[0]
    yield Finding(
        check="non-finite-weights",
        severity=SEVERITY,
        message=(
            f"{spread_names([each.name for each in bad])} hold{'s' if len(bad) == 1 else ''} "
            f"{' and '.join(part for part in (f'{nan:,} NaN' if nan else '', f'{inf:,} Inf' if inf else '') if part)} "
            f"among {count:,} elements"
        ),
        module=path,
        modules=list(dict.fromkeys(each.module or each.name.rpartition(".")[0] for each in bad)),
        location=named.class_line(path),
        evidence={"tensors": len(bad), "nan": nan, "inf": inf, "limit": 0},
        why="Every output that touches such a weight is NaN, and one training step spreads it to all others.",
        fix="Go back to the last good checkpoint; clip gradients or lower the learning rate before training on.",
        code="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    )
