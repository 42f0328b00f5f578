"""hot-layer: one layer takes the time of all others

## Looks for
A module whose own forward and backward take over 60 % of a training step's measured time while it does less than 60 % of the
arithmetic.

## Why it matters
It is where the time goes, and not because it has so much to compute: memory traffic, a loop in Python, an operation without a
fast kernel.

## How to mend it
Look at its operators in the profile: fuse element-wise steps, take loops out, choose a layout or a kernel that the hardware
likes.

## Quiet when
* it also has over 60 % of the FLOPs: then it is simply the largest;
* the step is so short (the layer under 2 ms) that Python is what is measured, or there are fewer than four layers.

## Known limits
Times are of this machine and this batch. Operators whose FLOPs cannot be counted make the share of arithmetic a lower bound.

## Sources
Lighthouse-style advice; TorchLens' ``hot_path``. 60 % is the catalogue's limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("profile",)
SHARE = 0.6
"""Of the time of all modules, and of the FLOPs."""
LEAST_SECONDS = 2e-3
LEAST_MODULES = 4


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    assert facts.profile is not None
    costs = facts.profile.modules
    total = sum(cost.forward + cost.backward for cost in costs)
    flops = sum(cost.flops for cost in costs)
    if total <= 0 or flops <= 0 or sum(cost.flops > 0 for cost in costs) < LEAST_MODULES:
        return
    hot = max(costs, key=lambda cost: cost.forward + cost.backward)
    seconds = hot.forward + hot.backward
    share, arithmetic = seconds / total, hot.flops / flops
    if share <= SHARE or arithmetic >= SHARE or seconds < LEAST_SECONDS or not hot.module:
        return
    named = lookup(facts)
    yield Finding(
        check="hot-layer",
        severity=SEVERITY,
        message=(
            f"{named.label(hot.module)} takes {100 * share:.0f} % of the step "
            f"({seconds * 1e3:.1f} ms; limit {100 * SHARE:.0f} %) "
            f"and does {100 * arithmetic:.0f} % of the arithmetic"
        ),
        module=hot.module,
        location=named.call_line(hot.module),
        evidence={"share_of_time": share, "share_of_flops": arithmetic, "limit": SHARE, "seconds": seconds},
        why="It is where the time goes, and not because it has so much to compute.",
        fix=(
            "Look at its operators in the profile: fuse element-wise steps, take loops out of Python, choose "
            "another kernel or layout."
        ),
    )
