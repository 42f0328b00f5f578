"""The class labels of the training batches, in the order in which they came."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import torch
from torch import Tensor

from nnreport.facts import LabelRun

BATCHES = 200
LABELS = 20_000
CLASSES = 1000


class Labels:
    """Gathers the targets of losses over classes."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.count = 0

    @property
    def full(self) -> bool:
        return len(self.batches) >= BATCHES or self.count >= LABELS

    def add(self, target: Tensor) -> None:
        """The target of one training batch: integers of one axis, (N,) or (N, 1)."""
        if self.full or target.dtype not in (torch.int64, torch.int32, torch.uint8, torch.bool):
            return
        if target.dim() == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.dim() != 1 or not target.numel():
            return
        values = target.detach().tolist()
        self.batches.append([int(v) for v in values])
        self.count += len(values)

    def record(self) -> LabelRun | None:
        """What their order shows; None with fewer than two batches."""
        if len(self.batches) < 2:
            return None
        order = [label for batch in self.batches for label in batch]
        shares = Counter(order)
        if len(shares) > CLASSES:
            return None
        total = len(order)
        squares = sum((n / total) ** 2 for n in shares.values())
        changes = sum(a != b for a, b in pairwise(order))
        falls = sum(b < a for a, b in pairwise(order))
        return LabelRun(
            labels=total,
            classes=len(shares),
            batches=len(self.batches),
            changes=changes,
            expected=(total - 1) * (1 - squares),
            constant=all(batch == self.batches[0] for batch in self.batches),
            sorted=falls <= max(1, total // 1000)
            or (2 * falls <= len(self.batches) and falls * len(shares) <= changes + len(shares)),
            per_batch=sum(len(set(batch)) for batch in self.batches) / len(self.batches),
            entropy=-sum(n / total * math.log(n / total) for n in shares.values()),
        )
