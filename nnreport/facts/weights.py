"""What the weights hold."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Record


class Histogram(Record):
    low: float
    high: float
    counts: list[int]


class WeightStats(Record):
    """One parameter or buffer, from one pass over its memory."""

    name: str
    shape: list[int]
    dtype: str
    module: str = ""
    kind: Literal["parameter", "buffer"] = "parameter"
    count: int = 0
    mean: float = 0.0
    std: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    norm: float = 0.0
    zeros: int = 0
    nan: int = 0
    inf: int = 0
    histogram: Histogram | None = None
    zero_rows: int = 0
    """Output units (leading axis) whose weights are all zero; matrices only."""
    rows: int = 0
    identical_rows: bool = False
    """All rows are the same (more than one)."""
    fan_in: int = 0
    fan_out: int = 0
    effective_rank: float | None = None
    """exp of the entropy of the normalised singular values, over the smaller side (0..1]; None if not affordable."""
    digest: str = ""
    """Hash of the values, for finding equal tensors."""


class Weights(Record):
    stats: list[WeightStats] = []
    fresh: bool = True
    """Random values of a just-made model; False: loaded from a checkpoint."""
    steps: int | None = None
    """Largest ``num_batches_tracked`` seen, if any."""
