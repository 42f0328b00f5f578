"""unregistered-parameter: a tensor that should learn and cannot

## Looks for
A leaf tensor attribute that requires a gradient, is used in forward, and is no ``nn.Parameter``.

## Why it matters
It gets gradients that no optimizer applies: ``model.parameters()`` does not list it, ``.to(device)`` does not move it,
``state_dict`` does not save it.

## How to mend it
``self.scale = nn.Parameter(torch.ones(8))``.

## Quiet when
* it is another name of a registered parameter;
* it is made in forward (inputs whose gradient is taken, as in physics-informed nets).

## Known limits
A tensor handed to an optimizer by hand is reported.

## Sources
The same walk over the autograd graph's leaves as ``unregistered-module``; no published tool has the check.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("tree",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per tensor."""
    assert facts.tree is not None
    named = lookup(facts)
    for stray in facts.tree.stray:
        if stray.kind != "parameter" or not stray.requires_grad or not stray.used or stray.in_forward or not stray.attribute:
            continue
        name = f"{stray.owner}.{stray.attribute}" if stray.owner else stray.attribute
        plain = stray.attribute.isidentifier()
        yield Finding(
            check="unregistered-parameter",
            severity=SEVERITY,
            message=(
                f"{name}, a tensor of shape {stray.shape} that requires a gradient, is used in forward and is no nn.Parameter"
            ),
            module=stray.owner,
            location=stray.location or named.class_line(stray.owner),
            evidence={"tensor": name, "elements": stray.parameters or None, "requires_grad": True, "registered": False},
            why="It gets a gradient that no optimizer applies; .to(device) and state_dict leave it out.",
            fix="Make it an nn.Parameter.",
            code=f"self.{stray.attribute} = nn.Parameter(...)" if plain else "nn.ParameterList([...])",
        )
