"""unregistered-module: layers that the model does not know it has

## Looks for
An ``nn.Module`` with trainable weights in a plain list, tuple or dict of a module, which the forward uses. The exact test is
a walk over the autograd graph to its leaves: each that is no parameter of the model belongs to such a layer.

## Why it matters
``model.parameters()`` leaves these layers out. No optimizer updates them, ``.to(device)`` leaves them behind, ``state_dict``
drops them: they stay at their random start while gradients for them are computed and thrown away. The loss may look well all
the same.

## How to mend it
``nn.ModuleList``, ``nn.ModuleDict``, ``nn.Sequential``, or an attribute of their own.

## Quiet when
* the same module is registered elsewhere in the tree;
* its weights do not require gradients, or it runs without gradients: a teacher or a perceptual loss is kept out of the tree
  so on purpose;
* it is never used, or made in forward (``module-in-forward``).

## Known limits
A trainable module that is hidden from the tree on purpose and trained by an optimizer of its own is reported.

## Sources
Measured: a net with its layers in a Python list has 650 of 55,050 parameters registered and still reached 98 % accuracy. No
published tool has the check.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, StrayTensor
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("tree",)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per container."""
    assert facts.tree is not None
    named = lookup(facts)
    found: dict[tuple[str, str], list[StrayTensor]] = {}
    for stray in facts.tree.stray:
        hidden = stray.kind == "module" and stray.used and not stray.in_forward
        if hidden and stray.requires_grad and stray.parameters and not runs_without_gradient(facts, stray):
            found.setdefault((stray.owner, stray.attribute.partition("[")[0].partition(".")[0]), []).append(stray)
    for (owner, attribute), strays in found.items():
        count = sum(stray.parameters for stray in strays)
        what = f"{owner}.{attribute}" if owner else attribute
        kinds = ", ".join(dict.fromkeys(stray.cls.rpartition(".")[2] for stray in strays))
        container = "nn.ModuleDict" if "['" in strays[0].attribute or '["' in strays[0].attribute else "nn.ModuleList"
        yield Finding(
            check="unregistered-module",
            severity=SEVERITY,
            message=(
                f"{what} holds {len(strays)} module{'s' if len(strays) > 1 else ''} ({kinds}) that forward uses: "
                f"their {count:,} trainable parameters are not among the {facts.tree.total:,} of model.parameters()"
            ),
            module=what,
            modules=[f"{owner}.{stray.attribute}" if owner else stray.attribute for stray in strays],
            location=strays[0].location or named.class_line(owner),
            evidence={"modules": len(strays), "parameters": count, "registered_parameters": facts.tree.total},
            why=(
                "No optimizer updates them, .to(device) leaves them behind and state_dict drops them: they stay at "
                "their random start."
            ),
            fix=f"Keep them in an {container} (or as attributes of their own), not in a plain container.",
            code=f"self.{attribute} = {container}(self.{attribute})  # after it is filled, in __init__",
        )


def runs_without_gradient(facts: Facts, stray: StrayTensor) -> bool:
    """Did all its operations run under ``no_grad``?"""
    path = f"{stray.owner}.{stray.attribute}" if stray.owner else stray.attribute
    nodes = [
        node
        for node in (facts.graph.nodes if facts.graph else ())
        if node.parameters and (node.module == path or node.module.startswith((f"{path}.", f"{path}[")))
    ]
    return bool(nodes) and not any(node.differentiable for node in nodes)
