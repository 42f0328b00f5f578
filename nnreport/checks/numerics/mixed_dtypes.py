"""mixed-dtypes: float64 among float32 parameters

## Looks for
A model in which some floating-point parameters are float64 and others float32.

## Why it matters
Operations between them either raise ("expected scalar type") or run in float64 without saying so, at half the speed
on a CPU and a thirtieth on many GPUs. Mostly a parameter was made from a NumPy array, whose default is float64.

## How to mend it
`model.float()`, or `torch.tensor(array, dtype=torch.float32)` where the parameter is made.

## Quiet when
All are of one type; half and float32 are mixed (norms kept in float32 on purpose); quantised weights; buffers.

## Known limits
Scientific code that keeps one part in float64 on purpose is reported too.

## Sources
torch-audit TA203; PyTorch documentation on type promotion.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("tree",)


def check(facts: Facts) -> Iterator[Finding]:
    found: dict[str, list] = {"float64": [], "float32": []}
    for parameter in facts.tree.parameters if facts.tree else ():
        if parameter.kind == "parameter" and parameter.dtype in found:
            found[parameter.dtype].append(parameter)
    doubles, singles = found["float64"], found["float32"]
    if not doubles or not singles:
        return
    odd, name = (doubles, "float64") if sum(p.count for p in doubles) <= sum(p.count for p in singles) else (singles, "float32")
    modules = list(dict.fromkeys(each.module for each in odd))
    yield Finding(
        check="mixed-dtypes",
        severity="warning",
        module=modules[0],
        modules=modules,
        location=lookup(facts).class_line(modules[0]),
        message=f"{len(doubles)} parameters are float64 and {len(singles)} float32; {spread_names([each.name for each in odd])} "
        f"{'is' if len(odd) == 1 else 'are'} {name}.",
        evidence={"float64": len(doubles), "float32": len(singles), "first": odd[0].name},
        why="Where the two meet PyTorch raises, or computes in float64, slowly.",
        fix="Make all parameters float32; NumPy arrays are float64 unless told otherwise.",
        code="model.float()",
    )
