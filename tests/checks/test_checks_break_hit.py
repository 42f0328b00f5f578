"""A hit breakpoint as a finding."""

import pytest
from kit import from_facts

from nnreport.facts import Break, BreakTensor, Facts, Location, Range, TensorInfo

LINE = Location(path="train.py", line=9, text="loss.backward()")
MADE = Location(path="net.py", line=4, text="x = torch.sqrt(x)")


def hit(kind="nan", what="nan", **more):
    tensor = BreakTensor(
        name="here.output",
        tensor=TensorInfo(shape=[8, 4], dtype="float32"),
        range=Range(minimum=-1.0, maximum=2.0, mean=0.0, std=1.0, nan=3, count=32),
    )
    return Break(
        what=what,
        kind=kind,
        text="log in fc1 gives 3 NaN of 32 values",
        step=5,
        module="fc1",
        location=LINE,
        tensors=[tensor],
        **more,
    )


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("nan", "error"), ("explode", "error"), ("dead", "warning"), ("step", "note"), ("forward", "note"), ("finding", "note")],
)
def test_severities(kind, severity):
    (finding,) = from_facts("break-hit", Facts(breaks=[hit(kind, kind)]))
    assert finding.severity == severity
    assert finding.module == "fc1"
    assert finding.location == LINE
    assert "after 5 optimizer steps" in finding.message
    assert finding.evidence["here.output"] == "float32[8, 4], -1 to 2, 3 NaN"


def test_a_gradient_that_is_not_finite_stands_at_the_line_that_built_it():
    (finding,) = from_facts("break-hit", Facts(breaks=[hit(phase="backward", made=MADE)]))
    assert finding.location == MADE
    (finding,) = from_facts("break-hit", Facts(breaks=[hit("backward", "backward:fc1", phase="backward", made=MADE)]))
    assert finding.location == LINE
    assert "net.py:4" in finding.message


def test_many_tensors_are_counted():
    many = hit()
    many.tensors = many.tensors * 12
    for i, tensor in enumerate(many.tensors[:]):
        many.tensors[i] = BreakTensor(name=f"t{i}", tensor=tensor.tensor)
    (finding,) = from_facts("break-hit", Facts(breaks=[many]))
    assert finding.evidence["more tensors"] == 4


def test_silent_without_breakpoints():
    assert from_facts("break-hit", Facts()) == []
