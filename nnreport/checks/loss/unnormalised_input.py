"""unnormalised-input: raw numbers go straight into the first weights

## Looks for
The user's data where it reaches the first weighted layer unchanged: a mean beyond ±10 or a standard deviation over 20
over the whole tensor, or ten times that in a single column.

## Why it matters
The layer's output is dominated by the large columns; its gradient is that much larger than all others', so the rate
that suits it starves the rest. Saturating activations sit on their rails at once.

## How to mend it
Subtract the mean and divide by the standard deviation of the training data, column by column, or start the model with
a `BatchNorm` or a `LayerNorm`.

## Quiet when
The data are nnreport's own; a norm, an embedding, a buffer's subtraction or any other arithmetic comes before the
first weights; integer inputs; values of images in 0 to 1 or standardised ones.

## Known limits
Arithmetic before the first layer is taken for a normalisation without checking what it does. One column that is off
among many standardised ones is reported only beyond ±100.

## Sources
LeCun et al. 1998, Efficient BackProp. torch-audit (max > 50), DLCheck (mean > 10 or std > 100). UMLAUT's bound of
[−1, 1] flagged about 109 of 113 healthy nets; raw tabular data up to 7,379 behind a first BatchNorm reached full
accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.layers import layers
from nnreport.checks.lookup import lookup
from nnreport.checks.series import figure
from nnreport.checks.voice import own_data
from nnreport.checks.walk import AFFINE, DROPOUT, JOINS, LAYOUT, SELECT, TRANSPARENT
from nnreport.facts import Facts, InputSpec, Node, Range
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("probe", "graph")

MEAN = 10.0
STD = 20.0
COLUMN = 10.0
"""One column may be this many times further off: among standardised ones it hurts less."""
UNCHANGED = TRANSPARENT | LAYOUT | SELECT | DROPOUT | JOINS | {"pad", "constant_pad_nd"}
FLOATS = ("float", "double", "half", "bfloat")


def check(facts: Facts) -> Iterator[Finding]:
    probe = facts.probe
    if probe is None or probe.data is None or not own_data(facts):
        raise NotApplicable("the data were not the user's")
    inputs = {node.name: node for node in facts.graph.nodes if node.kind == "input"} if facts.graph else {}
    for spec in probe.data.inputs:
        if spec.range is None or spec.tensor is None or not spec.tensor.dtype.startswith(FLOATS):
            continue
        bad = _off(spec, probe.data.columns.get(spec.name, []))
        node = inputs.get(spec.name)
        if bad is None or node is None:
            continue
        reader = _first_weights(facts, node)
        if reader is None:
            continue
        where, held = bad
        names = lookup(facts)
        yield Finding(
            check="unnormalised-input",
            severity="warning",
            module=reader.module,
            location=names.call_line(reader.module),
            node=reader.id,
            message=(
                f"{where} of the input {spec.name} has mean {figure(held.mean)} and standard deviation {figure(held.std)} "
                f"({figure(held.minimum)} to {figure(held.maximum)}) and reaches {names.label(reader.module)} unchanged; "
                f"the limits are "
                f"{_limits(where)}."
            ),
            evidence={
                "mean": held.mean,
                "std": held.std,
                "minimum": held.minimum,
                "maximum": held.maximum,
                "limit_mean": MEAN,
                "limit_std": STD,
                "batches": probe.data.batches_seen,
            },
            why=f"{reader.module or 'The first layer'} sees little but these numbers, and its gradient is larger by their size.",
            fix="Standardise each column with the training data's mean and standard deviation, or begin with a norm.",
            code="x = (x - mean) / std  # of the training data, kept as buffers",
        )


def _limits(where: str) -> str:
    times = COLUMN if where.startswith(("column", "Column")) else 1
    return f"±{figure(MEAN * times)} and {figure(STD * times)}"


def _off(spec: InputSpec, columns: list[Range]) -> tuple[str, Range] | None:
    """(which part, its range) of what lies beyond the limits."""
    whole = spec.range
    if whole is None or whole.nan or whole.inf:
        return None
    worst = max(range(len(columns)), key=lambda i: max(abs(columns[i].mean) / MEAN, columns[i].std / STD), default=None)
    if worst is not None:
        held = columns[worst]
        if abs(held.mean) > COLUMN * MEAN or held.std > COLUMN * STD:
            return f"Column {worst}", held
    if abs(whole.mean) > MEAN or whole.std > STD:
        return "The whole", whole
    return None


def _first_weights(facts: Facts, node: Node) -> Node | None:
    """The weighted layer that reads this input as it is; None if something else reads it first on every path."""
    graph = layers(facts).walk
    if graph is None:
        return None
    for user in graph.users(node, UNCHANGED):
        if user.kind == "op" and graph.name(user) in AFFINE and user.parameters and not user.name.startswith("embedding"):
            return user
    return None
