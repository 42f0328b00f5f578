"""unstable-op: an operation at the edge of its domain

## Looks for
On the way from the input to the output: a logarithm of what can be exactly 0 (a magnitude, a power spectrum, a sum of
squares, without an epsilon) or was; a root, reciprocal, fractional power or division at a measured 0; a division by a
standard deviation, or by a sum over ReLUs, without an epsilon; an arc cosine or sine at a measured ±1; an exponential
whose argument came near its overflow.

## Why it matters
The value or its gradient is infinite there. It takes one silent clip, one constant row, one empty mask in the data to
turn every weight into NaN, often after hours of training.

## How to mend it
Add an epsilon inside (`torch.log(x + 1e-6)`, `torch.sqrt(x + 1e-12)`, `x / (y + 1e-6)`), clamp, or use the stable
form (`logsumexp`, `F.normalize`, `log1p`).

## Quiet when
An epsilon or a clamp stands in between; the value cannot vary with the input; the logarithm is that of a 0-1 mask;
roots and powers outside the gradient's way; a log-variance whose exponential stays small; an installed package's code
(then a note).

## Known limits
Values that cannot be zero for a reason in the data (counts of at least one) are not known to be safe. A loss's own
operations are not in the graph of the model.

## Sources
GRIST (78 of 79 numeric bugs are of this kind), DEBAR, RANUM; dslint W5514 (log without clamp); Stack Overflow.
float32's exp overflows at 88.7, float16's at 11.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.layers import layers
from nnreport.checks.lookup import lookup
from nnreport.checks.numerics._domain import SAME, all_of_a_row_zero, can_be_zero, is_mask
from nnreport.checks.series import figure
from nnreport.checks.walk import Walk, walk
from nnreport.facts import Facts, Node, Range
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph",)

EXP = {"float16": 10.0, "float32": 80.0, "bfloat16": 80.0, "float64": 640.0}
"""Argument of exp by dtype, nine tenths of where it overflows."""
NEAR_ONE = 1 - 1e-6
SPREADS = frozenset({"std"})
MOST = 3
"""Findings in all: what follows is more of the same."""


def check(facts: Facts) -> Iterator[Finding]:
    if facts.graph is None:
        return
    graph, index = walk(facts.graph), layers(facts)
    seen: set[tuple] = set()
    for node in graph.graph.nodes:
        if node.kind != "op" or node.id not in index.from_input:
            continue
        found = _judge(graph, node)
        if found is None or not graph.reaches_output(node):
            continue
        words, fix, code = found
        location = lookup(facts).node_line(node)
        place = (node.name, location.path, location.line) if location else (node.name, node.module)
        if place in seen or len(seen) >= MOST:
            continue
        seen.add(place)
        yield _finding(facts, node, words, fix, code)


def _held(node: Node, argument: int) -> Range | None:
    return node.input_ranges[argument] if len(node.input_ranges) > argument else None


def _largest(held: Range | None) -> float:
    return max(abs(held.minimum), abs(held.maximum)) if held is not None else 0.0


def _judge(graph: Walk, node: Node) -> tuple[str, str, str] | None:
    """(what is wrong, the mend, the mend as code) of one operation."""
    name, held = graph.name(node), _held(node, 0)
    if name in ("log", "log2", "log10"):
        return _logarithm(graph, node, held)
    if name in ("reciprocal", "rsqrt") and held is not None and held.zeros > 0:
        return f"{name} read exact zeros, where it is infinite", "Add an epsilon to what it reads.", f"torch.{name}(x + 1e-6)"
    if name == "sqrt" and node.differentiable and held is not None and held.zeros > 0:
        return "sqrt read exact zeros, where its gradient is infinite", "Add an epsilon under the root.", "torch.sqrt(x + 1e-12)"
    if name == "pow" and node.differentiable and held is not None and held.zeros > 0:
        exponent = node.attributes.get("exponent")
        if isinstance(exponent, float) and exponent < 1 and exponent != 0:
            return (
                f"a power of {exponent:g} read exact zeros, where its gradient is infinite",
                "Clamp the base.",
                "x.clamp(min=1e-6) ** p",
            )
    if name == "div":
        return _division(graph, node)
    if name in ("acos", "arccos", "asin", "arcsin") and node.differentiable and _largest(held) >= NEAR_ONE:
        words = f"{name} read values at ±1, where its gradient is infinite"
        return words, "Clamp what it reads.", f"torch.{name}(x.clamp(-1 + 1e-6, 1 - 1e-6))"
    if name in ("exp", "expm1") and held is not None:
        dtype = node.reads[0].dtype if node.reads else "float32"
        limit = EXP.get(dtype, EXP["float32"])
        if held.maximum > limit:
            words = f"exp read values up to {figure(held.maximum)}; the limit for {dtype} is {limit:g}"
            return words, "Clamp what it reads, or subtract the maximum first.", "torch.exp(x.clamp(max=20))"
    return None


def _logarithm(graph: Walk, node: Node, held: Range | None) -> tuple[str, str, str] | None:
    source = graph.source(node, 0, SAME)
    if source is not None and graph.name(source) in ("softmax", "sigmoid"):
        return None  # log-of-softmax
    fix, code = "Add an epsilon inside the logarithm, or use log1p.", f"torch.{node.name}(x + 1e-6)"
    if held is not None and held.zeros > 0 and held.minimum == 0 and not is_mask(held):
        return f"{node.name} read exact zeros, where it is −inf", fix, code
    if can_be_zero(graph, source):
        lowest = f" (the smallest was {figure(held.minimum)} here)" if held is not None else ""
        made = graph.name(source) if source is not None else "a magnitude"
        return f"{node.name} reads a magnitude ({made}) that can be exactly 0, with no epsilon{lowest}", fix, code
    return None


def _division(graph: Walk, node: Node) -> tuple[str, str, str] | None:
    held = _held(node, 1)
    if len(node.inputs) < 2:
        return None
    fix, code = "Add an epsilon to the denominator, or clamp it.", "x / (y + 1e-6)"
    if held is not None and held.zeros > 0:
        return "a division read zeros as its denominator", fix, code
    below = graph.source(node, 1, SAME)
    if below is not None and below.kind == "op" and graph.name(below) in SPREADS:
        return "a division by a standard deviation has no epsilon: a constant row is 0/0", fix, "(x - mean) / (std + 1e-6)"
    if all_of_a_row_zero(graph, below):
        return "a division by a sum over ReLUs has no epsilon: where none fires it is 0/0", fix, code
    return None


def _finding(facts: Facts, node: Node, words: str, fix: str, code: str) -> Finding:
    names = lookup(facts)
    location = names.node_line(node)
    held = _held(node, 1 if node.name in ("div", "truediv") else 0)
    evidence: dict = {"operation": node.name, "limit": 0.0}
    if held is not None:
        evidence |= {"minimum": held.minimum, "maximum": held.maximum, "zeros": held.zeros}
    return Finding(
        check="unstable-op",
        severity="warning" if location is not None and location.user else "note",
        module=node.module,
        location=location,
        node=node.id,
        message=f"In {names.label(node.module)} {words}.",
        evidence=evidence,
        why="One such value in the data makes the loss or its gradient NaN, and with the next update every weight.",
        fix=fix,
        code=code,
    )
