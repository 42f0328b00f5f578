"""What the loss reads: which axis holds the classes, and what the user's loss raised."""

from __future__ import annotations

from nnreport.facts import Facts, Failure, OutputInfo, Probe

CLASS_LOSSES = ("cross_entropy", "nll")
BOUNDED = frozenset({"sigmoid", "softmax", "hardsigmoid"})
"""Operations whose output lies between 0 and 1."""


def class_axis(probe: Probe) -> int | None:
    """Axis of the output that holds the classes: 1 as torch wants it, or the last where the target's shape says so."""
    output, target = probe.output, probe.data.target if probe.data else None
    if output is None or output.tensor is None or not output.tensor.shape:
        return None
    shape = output.tensor.shape
    if len(shape) < 3 or (probe.loss is not None and probe.loss.source == "model"):
        return len(shape) - 1  # a model's own loss flattens what comes before
    wanted = target.tensor.shape if target and target.tensor else None
    if wanted is not None and wanted == shape[:-1] and wanted != shape[:1] + shape[2:]:
        return len(shape) - 1
    return 1


def classes(probe: Probe) -> int | None:
    """Width of the class axis."""
    axis = class_axis(probe)
    if axis is None or probe.output is None or probe.output.tensor is None:
        return None
    return probe.output.tensor.shape[axis]


def kind(facts: Facts) -> str:
    """The family of the loss, or the empty string."""
    return facts.probe.loss.kind if facts.probe and facts.probe.loss else ""


def normalised_over_classes(probe: Probe, output: OutputInfo) -> bool:
    """The output is a distribution over the classes."""
    axis = class_axis(probe)
    return axis is not None and output.sums_to_one is not None and output.sums_to_one == axis


def loss_failure(facts: Facts, *phrases: str) -> Failure | None:
    """The failure of the loss whose message has one of the phrases (any failure of the loss without phrases)."""
    for failure in facts.failures:
        if failure.phase == "loss" and (not phrases or any(phrase in failure.message for phrase in phrases)):
            return failure
    return None


OUT_OF_BOUNDS = ("out of bounds", "t >= 0 && t < n_classes", "cur_target >= 0")
"""What cross_entropy and nll_loss say of an index that is no class."""
WRONG_DTYPE = (
    "expected scalar type Long",
    "expected scalar type Float",
    "can't be cast to",
    "not implemented for 'Int'",
    "not implemented for 'Float'",
    "Found dtype",
    "Expected floating point type for target with class probabilities",
)
"""What losses say of labels of a type they cannot take."""
NOT_PROBABILITIES = ("between 0 and 1", "input_val >= zero && input_val <= one", "target_val >= zero")
"""What binary_cross_entropy says of numbers that are no probabilities."""
EXPLAINED = OUT_OF_BOUNDS + WRONG_DTYPE + NOT_PROBABILITIES
"""Failures that another check of this group names."""
