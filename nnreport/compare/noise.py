"""How far two runs of one and the same model lie apart: less than that is no change.

Measured on a machine of two cores with four models (two layers, a transformer, a residual network, a broken classifier), seven
times each with little else running and four times with all at once, and with thirty small sick networks three times each while
the machine was overloaded; half of the runs under other seeds:

* parameters, FLOPs, shapes and the memory of a step are equal to the byte, run by run and seed by seed;
* the time of a step differs by 2.4 times on the quiet machine and by 7.4 on the overloaded one. All layers slow down together:
  divided by what the same layers took, it differs by 1.14 times on the quiet machine. On the overloaded one, where those layers
  took up to 2.7 times as long themselves, it differs by up to 1.8: the more the machine was disturbed, the less a time says;
* forward and backward alone differ by more: they are not judged by themselves;
* the loss that is left at the end, as a share of the first, differs by 0.12 between seeds, and not at all under one seed.
"""

from __future__ import annotations

from nnreport.compare.forest import Forest
from nnreport.facts import Facts, Number

TIME = 1.4
"""Largest factor between two step times of one model after the machine's share is taken out (measured: 1.14), on a machine that
was as fast both times; it grows with the factor between the two."""
TIME_ALONE = 10.0
"""The same where no unchanged layer tells what the machine did (measured: 7.4)."""
SEEN = 0.25
"""Share of a step that unchanged layers must take in both reports to speak for the machine. Of a small step most is overhead."""
MEMORY = 0.02
"""Relative difference of the bytes of a step: allocators round (measured on the CPU: none)."""
LOSS = 0.2
"""Difference of the loss left at the end, as a share of the first (measured between seeds: 0.12)."""
ROUNDING = 1e-6
"""Relative difference below which two floats are one number."""


def machine_factor(old: Facts, new: Facts, a: Forest, b: Forest, pairs: dict[str, str]) -> float | None:
    """How many times as long the layers that did not change took in the new report; None if they say too little.

    Only layers of equal class, settings and shapes that did the same work (FLOPs) count.
    """
    if old.profile is None or new.profile is None:
        return None
    before = {cost.module: cost for cost in old.profile.modules}
    after = {cost.module: cost for cost in new.profile.modules}
    first = second = 0.0
    for x, y in pairs.items():
        one, two = before.get(x), after.get(y)
        if one is None or two is None or a.children[x] or a.keys[x] != b.keys[y]:
            continue
        if one.flops != two.flops or one.calls != two.calls:
            continue
        first += one.forward + one.backward
        second += two.forward + two.backward
    if min(first, second) <= 0 or first < SEEN * old.profile.step or second < SEEN * new.profile.step:
        return None
    return second / first


def time_changed(ratio: float, machine: float | None) -> bool:
    """Is a step's time another one? It must be so as measured, and more so with the machine's own share taken out the more that
    share was."""
    if machine is None:
        return beyond(ratio, TIME_ALONE)
    apart, least = ratio / machine, TIME * max(machine, 1 / machine)
    return beyond(ratio, TIME) and beyond(apart, least) and (ratio > 1) == (apart > 1)


def beyond(ratio: float, factor: float) -> bool:
    """Is it larger than ``factor``, or smaller than its inverse?"""
    return ratio > factor or ratio < 1 / factor


def loss_changed(old: tuple[float, float], new: tuple[float, float]) -> bool | None:
    """Is another share of the first loss left at the end? None where a share says nothing (losses that are not positive).

    Args:
        old, new: first and last loss.
    """
    if min(*old, *new) < 0 or old[0] <= 0 or new[0] <= 0:
        return None
    return abs(new[1] / new[0] - old[1] / old[0]) > LOSS


def equal(old: Number | str | None, new: Number | str | None, tolerance: float = ROUNDING) -> bool:
    """Is it the same number, but for rounding?"""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(new - old) <= tolerance * max(abs(old), abs(new))
    return old == new
