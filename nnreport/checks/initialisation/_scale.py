"""The scale that a weight matrix's fan asks for; shared by large-init and small-init."""

from __future__ import annotations

import math

from nnreport.checks.layers import Matrix
from nnreport.checks.walk import AFFINE, operation


def he_std(matrix: Matrix) -> float:
    """Standard deviation of He initialisation, sqrt(2 / fan_in): the largest in common use."""
    return math.sqrt(2 / matrix.fan_in)


def least_std(matrix: Matrix) -> float:
    """sqrt(1 / (3·max(fan_in, fan_out))): PyTorch's default for the larger fan, the smallest in common use."""
    return math.sqrt(1 / (3 * max(matrix.fan_in, matrix.stats.fan_out, 1)))


def gain(matrix: Matrix) -> float | None:
    """Measured rms of the layer's output over that of its input; None where it was not recorded, or the layer bounds its output
    (recurrent, attention)."""
    node = matrix.node
    if (
        node is None
        or operation(node) not in AFFINE
        or node.output_range is None
        or not node.input_ranges
        or node.input_ranges[0] is None
    ):
        return None
    before = math.hypot(node.input_ranges[0].mean, node.input_ranges[0].std)
    after = math.hypot(node.output_range.mean, node.output_range.std)
    return after / before if before > 0 and math.isfinite(after) else None
