"""Writes through views: ``x[:, 0].copy_(a)`` changes ``x``, though the operation never saw ``x`` itself."""

from __future__ import annotations

from torch import Tensor


def version(tensor: Tensor) -> int:
    """How often the tensor's memory was changed in place; -1 where torch does not count (inference mode)."""
    try:
        return tensor._version
    except RuntimeError:
        return -1


def span(tensor: Tensor) -> tuple[int, int, int] | None:
    """(memory, first byte, last byte) that the tensor lies on; None where it has no memory of its own."""
    try:
        storage = int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return None
    if tensor.numel() == 0:
        return None
    size = tensor.element_size()
    reach = sum(int((length - 1) * step) for length, step in zip(tensor.shape, tensor.stride(), strict=True))
    first = int(tensor.storage_offset()) * size
    return storage, first, first + reach * size + size


class Writers:
    """The last writes to each memory.

    A tensor is held to be changed by a write to another view of its memory if one of the two lies within the other; two views
    that merely interleave (``x[0::2]`` and ``x[1::2]``) do not touch.
    """

    def __init__(self) -> None:
        self.writes: dict[int, list[tuple[int, int, int]]] = {}
        """memory -> (node, first byte, last byte)"""

    def wrote(self, tensor: Tensor, node: int) -> None:
        found = span(tensor)
        if found is not None:
            storage, first, last = found
            rows = self.writes.setdefault(storage, [])
            rows[:] = [row for row in rows if not (first <= row[1] and row[2] <= last)]
            rows.append((node, first, last))

    def last(self, tensor: Tensor, origin: int) -> int | None:
        """The last write that changed the tensor after ``origin`` made it; None if there was none."""
        if not self.writes:
            return None
        found = span(tensor)
        if found is None or found[0] not in self.writes:
            return None
        _, first, last = found
        nodes = [
            node
            for node, low, high in self.writes[found[0]]
            if node > origin and ((low >= first and high <= last) or (low <= first and high >= last))
        ]
        return max(nodes, default=None)
