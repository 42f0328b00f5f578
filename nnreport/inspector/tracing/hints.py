"""How to mend a failure of loss or backward, where its message tells what it is."""

from __future__ import annotations

import re

from nnreport.inspector.tracebacks import Phase

HINTS: list[tuple[str, str, str]] = [
    (
        "loss",
        r"Target -?\d+ is out of bounds|index out of range",
        "class indices must run from 0 to the number of output columns - 1",
    ),
    (
        "loss",
        r"expected scalar type Long|not implemented for 'Float'|expected.*Long",
        "class indices must be int64: target.long()",
    ),
    (
        "loss",
        r"expected floating point type for target|Found dtype Long|result type Float can't be cast to",
        "these targets must be floating: target.float()",
    ),
    (
        "loss",
        r"all elements of (input|target) should be between 0 and 1",
        "binary_cross_entropy wants probabilities: end in a sigmoid, or use binary_cross_entropy_with_logits",
    ),
    (
        "loss",
        r"different to the (input|target) size|must be the same as input size|size mismatch|must match the size",
        "output and target must have the same shape: squeeze or unsqueeze one of them",
    ),
    (
        "backward",
        r"modified by an inplace operation",
        "an operation changed in place (x += …, relu_) a tensor that backward still needs: write x = x + … there",
    ),
    (
        "backward",
        r"does not require grad and does not have a grad_fn",
        "nothing trainable leads to the loss: look for detach(), no_grad(), .data, argmax or item() on the way",
    ),
    (
        "backward",
        r"Trying to backward through the graph a second time",
        "a tensor of an earlier step is still part of the graph: detach hidden states between steps",
    ),
    (
        "forward",
        r"Expected more than 1 value per channel",
        "batch norm cannot train on one value per channel: use a larger batch or another norm",
    ),
]
"""(phase, pattern of the message, hint)"""


def hint_for(error: BaseException, phase: Phase) -> str:
    """One sentence, or ``""``."""
    return next((hint for where, pattern, hint in HINTS if where == phase and re.search(pattern, str(error))), "")
