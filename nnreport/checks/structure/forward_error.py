"""forward-error: the forward pass raises

## Looks for
An exception in ``forward`` on the given input: in which module, what came in, what that module wanted, on which line of the
user's.

## Why it matters
The model computes nothing for this input. The usual cause is a shape: images that were never flattened, channels in the wrong
place, a layer sized for another picture.

## How to mend it
Compare what the module was given with what it expects; the line quoted is the last one of the user's before the exception.

## Quiet when
A batch norm refuses to *train* on a single value: that is ``batchnorm-batch-one``.

## Known limits
A model that is right and was given a wrong ``--input`` looks the same as a wrong model; the message shows both shapes. A
forward that fails only in training mode, on a batch that nnreport widened itself, is reported as a warning.

## Sources
Shape checkers (PyTea, ShapeFlow, NeuralState) predict this; here it is run. The tutorial's own mistake, 28 × 28 images into
``nn.Linear(784, …)``, is the first example.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.failures import BATCH_OF_ONE, finding, of_phase
from nnreport.checks.lookup import lookup
from nnreport.checks.voice import own_data
from nnreport.facts import Facts, Failure
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ()


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per failure."""
    named = lookup(facts)
    for failure in of_phase(facts, "forward"):
        if BATCH_OF_ONE in failure.message:
            continue
        training = bool(facts.graph and facts.graph.complete)
        where = f"{named.label(failure.module)}" if failure.module is not None else "forward"
        if training:
            where += " (in training mode; the evaluation forward works)"
        yield finding(
            "forward-error",
            severity(facts, training),
            failure,
            where,
            "The training forward stops here."
            if training
            else "The forward pass stops here: the model gives no output for this input.",
            fix="Make what reaches this module what it expects, or give the shape that the model is made for with --input.",
            code=flatten(failure),
        )


def severity(facts: Facts, training: bool) -> Severity:
    """Below an error only where the forward works and fails on what nnreport made up."""
    return "warning" if training and not own_data(facts) else "error"


def flatten(failure: Failure) -> str:
    """The mend for a picture that reaches a linear layer unflattened."""
    if failure.operation != "linear" or not failure.inputs or len(failure.inputs[0].shape) < 3:
        return ""
    sizes = failure.inputs[0].shape[1:]
    count = 1
    for size in sizes:
        count *= size
    return "x = torch.flatten(x, 1)  # before this layer" if str(count) in failure.expected else ""
