"""Which axis of an output is the batch: the one that grows with the number of samples, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnreport.facts import Graph

SIZES = (5, 7, 11, 13, 9, 17)
"""Numbers of samples to try: odd and rare as widths, so that an axis of that size is the batch and nothing else."""


@dataclass
class Axis:
    """Where the samples of one output tensor lie.

    ``axis`` is None where no axis grows with the batch, or more than one does (``reason`` says which).
    """

    name: str
    axis: int | None
    reason: str = ""


def batch_axes(small: list[tuple[str, Tensor]], large: list[tuple[str, Tensor]], sizes: tuple[int, int]) -> list[Axis]:
    """The batch axis of every tensor of an output, from two forwards of ``sizes`` samples."""
    after = dict(large)
    found = []
    for name, tensor in small:
        other = after.get(name)
        if other is None or other.dim() != tensor.dim():
            found.append(Axis(name, None, "its shape follows the values"))
            continue
        pairs = list(zip(tensor.shape, other.shape, strict=True))
        grown = [i for i, pair in enumerate(pairs) if pair == sizes]
        changed = [i for i, (a, b) in enumerate(pairs) if a != b]
        if len(grown) == 1 and changed == grown:
            found.append(Axis(name, grown[0]))
        elif len(changed) > 1:
            found.append(Axis(name, None, "every sample meets every other in it (two axes grow with the batch)"))
        elif changed:
            a, b = pairs[changed[0]]
            folded = a * sizes[1] == b * sizes[0]
            found.append(Axis(name, None, "the batch is folded into another axis" if folded else "its shape follows the values"))
        else:
            found.append(Axis(name, None, "no axis grows with the batch"))
    return found


def unlike(graph: Graph | None, count: int = 2) -> tuple[int, ...]:
    """Numbers of samples that no tensor of the recorded forward has as an axis."""
    taken: set[int] = set()
    if graph is not None:
        taken = {size for node in graph.nodes for out in node.outputs for size in out.shape[1:]}
    free = [size for size in SIZES if size not in taken] + list(SIZES)
    return tuple(sorted(dict.fromkeys(free[: count + 2]))[:count])
