"""What the user's targets and input columns look like, over the first few batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from nnreport.facts import Range, TargetInfo
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.feeding.nested import tensors
from nnreport.inspector.weighing.statistics import range_of

MOST_CLASSES = 1000
MOST_COLUMNS = 256
_ELEMENTS = 1 << 20
"""Elements of all targets together that are looked at."""
_LEAST_FOR_ORDER = 8


def target_info(targets: Sequence[Any], first: Batch) -> TargetInfo | None:
    """Over the targets of several batches; None where there are none. Of a target of several tensors only that it is there."""
    found = [tensors(target) for target in targets if target is not None]
    if not found or not found[0]:
        return None
    if any(len(each) != 1 for each in found):
        return TargetInfo()
    values = [each[0][1].detach() for each in found]
    info = TargetInfo(tensor=tensor_info(values[0]))
    if any(value.is_complex() or value.layout is not torch.strided for value in values):
        return info
    kept = max(1, _ELEMENTS // len(values))
    together = torch.cat([value.flatten()[:kept].cpu() for value in values])
    if not together.numel():
        return info
    info.range = range_of(together)
    numbers = together.to(torch.float64)
    info.integral = bool((numbers == numbers.round()).all())
    info.variance = float(numbers.var(correction=0)) if bool(numbers.isfinite().all()) else None
    if not together.is_floating_point():
        counts = Counter(together.tolist())
        if len(counts) <= MOST_CLASSES:
            info.classes = {str(int(label)): count for label, count in sorted(counts.items())}
    if all(value.dim() == 1 or (value.dim() == 2 and value.shape[1] == 1) for value in values):
        rising = bool((numbers[1:] >= numbers[:-1]).all())
        info.sorted = rising and numbers.numel() >= _LEAST_FOR_ORDER and bool(numbers[0] != numbers[-1])
    target = values[0]
    info.equals_input = any(
        given is found[0][0][1] or (given.shape == target.shape and given.dtype == target.dtype and torch.equal(given, target))
        for _, given in tensors((first.args, first.kwargs))
    ) and not _is_label_input(first)
    return info


def _is_label_input(batch: Batch) -> bool:
    """The target stands among the keyword inputs because ``forward`` takes it (``labels``)."""
    return any(value is batch.target for value in batch.kwargs.values())


def data_columns(batches: Sequence[Batch], positional: Sequence[str]) -> dict[str, list[Range]]:
    """Range per feature column of each 2-D float input (at most 256 columns), over all batches."""
    found: dict[str, list[Range]] = {}
    for name, columns in _tables(batches, positional).items():
        if len({table.shape[1] for table in columns}) != 1:
            continue
        table = torch.cat(columns).detach().to("cpu")[:, :MOST_COLUMNS]
        found[name] = [each for column in table.unbind(1) if (each := range_of(column.contiguous())) is not None]
    return found


def _tables(batches: Sequence[Batch], positional: Sequence[str]) -> dict[str, list[torch.Tensor]]:
    tables: dict[str, list[torch.Tensor]] = {}
    for batch in batches:
        named = [(positional[i] if i < len(positional) else f"input {i}", value) for i, value in enumerate(batch.args)]
        for name, value in [*named, *batch.kwargs.items()]:
            if isinstance(value, torch.Tensor) and value.dim() == 2 and value.is_floating_point():
                tables.setdefault(name, []).append(value)
    return tables
