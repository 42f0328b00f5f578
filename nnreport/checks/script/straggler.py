"""straggler: one process of a distributed run holds up all others

## Looks for
A process whose median step takes over one and a half times that of the others; or, where all step together because
they wait for each other, one that waits for its loader over three times as long as the others, and for over a fifth of its
time.

## Why it matters
In data-parallel training every step takes as long as the slowest process.

## How to mend it
Look at what is different there: a slower or shared device, other work on its cores, an unequal share of the data, a
slow disk, logging or evaluation that it alone does.

## Quiet when
There is one process; fewer than twenty steps; the difference is under two milliseconds.

## Known limits
A process that is slow only now and then is not seen in a median.

## Sources
Dean and Barroso 2013, The Tail at Scale.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.series import figure, median
from nnreport.facts import Facts, RankRun
from nnreport.finding import Finding, NotApplicable, Severity

SEVERITY: Severity = "warning"
NEEDS = ("run",)

SLOWER = 1.5
LEAST_STEPS = 20
LEAST_SECONDS = 0.002
WAITS = 3.0
"""Times as long for the loader as the others,"""
OF_TIME = 0.2
"""and so large a share of its steps."""


def check(facts: Facts) -> Iterator[Finding]:
    run = facts.run
    ranks = [rank for rank in run.ranks if rank.steps >= LEAST_STEPS] if run else []
    if run is None or len(ranks) < 2:
        raise NotApplicable("one process, or few steps")
    slow = max(ranks, key=lambda rank: rank.step_seconds)
    others = median([rank.step_seconds for rank in ranks if rank is not slow])
    if slow.step_seconds > SLOWER * others and slow.step_seconds - others > LEAST_SECONDS:
        words = f"takes {figure(slow.step_seconds)} s a step, the others {figure(others)} s (medians)"
        yield _finding(slow, words, slow.step_seconds, others, SLOWER)
        return
    waits = {rank.rank: rank.waited / rank.steps for rank in ranks}
    slow = max(ranks, key=lambda rank: waits[rank.rank])
    mine, others = waits[slow.rank], median([waits[rank.rank] for rank in ranks if rank is not slow])
    if mine > WAITS * others and mine > OF_TIME * slow.step_seconds and mine - others > LEAST_SECONDS:
        yield _finding(slow, f"waits {figure(mine)} s a step for its loader, the others {figure(others)} s", mine, others, WAITS)


def _finding(slow: RankRun, words: str, mine: float, others: float, limit: float) -> Finding:
    return Finding(
        check="straggler",
        severity="warning",
        message=f"Process {slow.rank} {words}; the limit is {limit:g} times as long.",
        evidence={"rank": slow.rank, "seconds": mine, "others": others, "limit": limit, "steps": slow.steps},
        why="The others wait for it at every step.",
        fix="Look at what is different there: its device, its share of the data, its disk, what it alone logs or evaluates.",
    )
