"""identical-layers: layers that start as copies of one another

## Looks for
Two layers whose weight matrices start with exactly the same values without being shared.

## Why it matters
Random starts are meant to differ. Copies made by ``copy.deepcopy`` (``nn.TransformerEncoder`` does so with its layer) begin
as one function applied several times; they part in training, a little later than they would.

## How to mend it
Build each layer by itself (a list comprehension), or initialise again after copying.

## Quiet when
* weights were loaded: a checkpoint's values are what they are;
* one of the two is frozen (a target network, an averaged copy);
* the values are constant (zero-initialised branches), or the parameter is not one of torch's own layers': some start from a
  formula.

## Known limits
It is advice: transformers built by ``nn.TransformerEncoder`` train well.

## Sources
PyTorch documentation of ``nn.TransformerEncoder`` (“all layers in the TransformerEncoder are initialized with the same
parameters”).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts, WeightStats
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("weights", "tree")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all copies."""
    assert facts.weights is not None
    if not facts.weights.fresh:
        return
    named = lookup(facts)
    equal: dict[tuple[str, tuple[int, ...]], list[WeightStats]] = {}
    for stats in facts.weights.stats:
        parameter = named.parameters.get(stats.name)
        matrix = stats.kind == "parameter" and len(stats.shape) > 1 and stats.digest and stats.std > 0
        if matrix and parameter is not None and parameter.trainable and named.kind(parameter.module):
            equal.setdefault((stats.digest, tuple(stats.shape)), []).append(stats)
    copies = [group for group in equal.values() if len(group) > 1]
    if not copies:
        return
    first = copies[0]
    paths = [stats.module or stats.name.rpartition(".")[0] for stats in first]
    count = sum(len(group) for group in copies)
    yield Finding(
        check="identical-layers",
        severity=SEVERITY,
        message=(
            f"{spread_names([named.label(path) for path in paths])} start with identical weights"
            + (f", and {count - len(first)} matrices more" if count > len(first) else "")
        ),
        module=paths[1],
        modules=list(dict.fromkeys(stats.module or stats.name.rpartition(".")[0] for group in copies for stats in group)),
        location=named.class_line(paths[1]),
        evidence={"groups": len(copies), "matrices": count},
        why="They begin as one function applied several times; random starts are meant to differ.",
        fix="Build each layer by itself instead of copying one, or initialise the copies again.",
        code="nn.ModuleList([Layer(...) for _ in range(n)])",
    )
