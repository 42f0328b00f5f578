"""dead-filters: output units whose weights are all zero

## Looks for
Loaded weights of a linear or convolutional layer in which over 10 % of the output units have no weight other than 0.

## Why it matters
Such a unit gives its bias for every input: the layer is narrower than it looks, at its full price. Weight decay on units that
had died, or pruning without shrinking, leaves this behind.

## How to mend it
Remove the units here and the matching inputs of the next layer; if nobody pruned on purpose, look for dead ReLUs and too
strong a weight decay.

## Quiet when
* the model is fresh: zeros are an initialisation then (``constant-init``);
* an embedding: rows of padding and of unused tokens are zero;
* the whole matrix and its bias are zero: a branch that starts at zero and was never trained.

## Known limits
Pruning on purpose looks the same; the message gives the share. Units that are tiny but not zero are not counted.

## Sources
TheDeepChecker (95 % of weights under 1e-5), torch-audit TA405 (filter norm under 1e-6). Exact zeros and 10 % are this
project's: a filter here and there is no matter.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import Lookup, lookup
from nnreport.facts import Facts, WeightStats
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("weights",)
SHARE = 0.1
"""Of a layer's output units."""
LEAST_ROWS = 4
EMBEDDINGS = ("emb", "wte", "wpe", "lookup", "token", "position")
"""Words in the names of tables, for weights that come without a model."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per layer."""
    assert facts.weights is not None
    if facts.weights.fresh:
        return
    named = lookup(facts)
    stats = {each.name: each for each in facts.weights.stats}
    for each in facts.weights.stats:
        if each.kind != "parameter" or each.rows < LEAST_ROWS or each.zero_rows <= SHARE * each.rows or table(named, each):
            continue
        path = each.module or each.name.rpartition(".")[0]
        if each.zero_rows == each.rows:
            bias = stats.get(f"{path}.bias" if path else "bias")
            if bias is None or bias.zeros == bias.count:
                continue
        share = each.zero_rows / each.rows
        yield Finding(
            check="dead-filters",
            severity=SEVERITY,
            message=(
                f"{each.zero_rows} of the {each.rows} output units of {named.label(path)} have all-zero weights "
                f"({100 * share:.0f} %; limit {100 * SHARE:.0f} %)"
            ),
            module=path,
            location=named.class_line(path),
            evidence={"zero_units": each.zero_rows, "units": each.rows, "share": share, "limit": SHARE, "parameter": each.name},
            why=(
                f"They give their bias whatever comes in: the layer is {each.rows - each.zero_rows} wide at the price "
                f"of {each.rows}."
            ),
            fix=(
                "Cut these units out (and the next layer's matching inputs), or find out why they died: dead ReLUs, "
                "too strong weight decay."
            ),
        )


def table(named: Lookup, stats: WeightStats) -> bool:
    """Is it an embedding, by its class or, without a model, by its name?"""
    kind = named.kind(stats.module)
    if kind:
        return kind in ("Embedding", "EmbeddingBag")
    return any(word in stats.name.lower() for word in EMBEDDINGS)
