"""Rows and rank of a weight: which output units are all zero, whether all are alike, how many directions it really uses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST_SIDE = 512
"""Rank is measured where the smaller side is no larger: the cost grows with its cube."""
RANK_BUDGET = 12e9
"""Operations that all ranks of a model may cost together, about 0.3 s; counted, not timed, so that two runs agree."""
_EIGEN_COST = 60.0
"""Operations per cubed side that eigenvalues take, at the speed of a matrix product."""
_NOISE = 1e-6
"""Share of the largest eigenvalue of the Gram matrix below which one is float32 rounding."""
_ROWS_AT_ONCE = 1 << 18


def zero_rows(matrix: Tensor) -> int:
    """Rows (leading axis) that are all zero."""
    return sum(int((rows.flatten(1) == 0).all(1).sum()) for rows in _row_groups(matrix))


def identical_rows(matrix: Tensor) -> bool:
    """All rows are the same, and there is more than one. NaN equals nothing."""
    if matrix.shape[0] < 2 or not torch.equal(matrix[0], matrix[1]):
        return False
    return all(bool((rows == matrix[:1]).all()) for rows in _row_groups(matrix))


def _row_groups(matrix: Tensor) -> tuple[Tensor, ...]:
    row = max(1, matrix.numel() // max(1, matrix.shape[0]))
    return matrix.split(max(1, _ROWS_AT_ONCE // row))


def rank_cost(shape: torch.Size) -> float:
    """Operations that :func:`effective_rank` takes; infinite where it is not affordable."""
    if len(shape) < 2 or 0 in shape:
        return math.inf
    rows, columns = shape[0], math.prod(shape[1:])
    small = min(rows, columns)
    if not 2 <= small <= MOST_SIDE:
        return math.inf
    return 2.0 * small * small * max(rows, columns) + _EIGEN_COST * small**3


def effective_rank(weight: Tensor) -> float | None:
    """exp of the entropy of the normalised singular values, over the smaller side: in (0, 1], 1 where all directions are used
    alike (Roy and Vetterli 2007). None for a zero or non-finite matrix.

    From the eigenvalues of the Gram matrix of the smaller side, in float32.
    """
    matrix = weight.detach().flatten(1)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.t()
    side = matrix.shape[0]
    largest = float(matrix.abs().amax())
    if not math.isfinite(largest) or largest == 0:
        return None
    matrix = matrix.float() / largest
    try:
        eigenvalues = torch.linalg.eigvalsh(matrix @ matrix.t()).double()
    except (RuntimeError, NotImplementedError):
        return None
    top = float(eigenvalues[-1])
    singular = eigenvalues[eigenvalues > top * _NOISE].sqrt()
    if not singular.numel():
        return None
    share = singular / singular.sum()
    return float(torch.exp(-(share * share.log()).sum())) / side
