"""Numerics on graphs written by hand."""

import pytest
from probing import DataInfo, Facts, chain, held, probe, run

from nnreport.facts import Graph, InputSpec, Location, NonFinite, Range

LINE = Location(path="net.py", line=7, text="x = torch.log(x)")
BROKEN = Range(minimum=0, maximum=0, mean=0, std=0, nan=3, count=64)


def mine(graph: Graph) -> Facts:
    """The graph with every operation on the user's line."""
    for node in graph.nodes:
        node.location = LINE
    return Facts(graph=graph)


@pytest.mark.parametrize(
    ("operations", "ranges", "attributes"),
    [
        (("abs", "log"), {"abs": held(0.01, 3)}, {}),
        (("pow", "sum", "log"), {}, {"pow": {"exponent": 2}}),
        (("sub", "log"), {"sub": held(0, 3, zeros=0.1)}, {}),
        (("relu", "sqrt"), {"relu": held(0, 3, zeros=0.5)}, {}),
        (("sub", "reciprocal"), {"sub": held(0, 3, zeros=0.1)}, {}),
        (("mul", "exp"), {"mul": held(-90, 85)}, {}),
        (("cos", "acos"), {"cos": held(-1, 1)}, {}),
    ],
)
def test_operations_at_the_edge_of_their_domain(operations: tuple, ranges: dict, attributes: dict) -> None:
    (finding,) = run("unstable-op", mine(chain(*operations, ranges=ranges, **attributes)))
    assert finding.severity == "warning"
    assert finding.location == LINE
    assert finding.evidence["operation"] == operations[-1]


@pytest.mark.parametrize(
    ("operations", "ranges"),
    [
        (("abs", "add", "log"), {"add": held(1e-6, 3)}),  # an epsilon
        (("abs", "clamp", "log"), {"clamp": held(1e-6, 3)}),
        (("softplus", "log"), {"softplus": held(0.01, 3)}),
        (("exp",), {"x": held(-3, 3)}),  # a small log-variance
        (("relu", "add", "sqrt"), {"add": held(1e-6, 3)}),
        (("eq", "log"), {"eq": held(0, 1, mean=0.75, std=0.43, zeros=0.25)}),  # a mask
    ],
)
def test_guarded_operations_are_stable(operations: tuple, ranges: dict) -> None:
    assert run("unstable-op", mine(chain(*operations, ranges=ranges))) == []


def test_a_constant_table_and_installed_code_are_not_the_users_fault() -> None:
    graph = chain("abs", "log")
    graph.nodes[0].kind = "constant"
    assert run("unstable-op", mine(graph)) == []
    library = chain("abs", "log")
    for node in library.nodes:
        node.location = Location(path="transformers/x.py", line=1, user=False)
    assert [each.severity for each in run("unstable-op", Facts(graph=library))] == ["note"]


def test_log_of_softmax_is_found_past_reshapes_only() -> None:
    (finding,) = run("log-of-softmax", mine(chain("linear", "softmax", "view", "log")))
    assert "log_softmax" in finding.code
    assert run("log-of-softmax", mine(chain("linear", "softmax", "add", "log"))) == []
    assert run("log-of-softmax", mine(chain("linear", "log_softmax"))) == []


def test_the_first_non_finite_operation_is_named() -> None:
    graph = chain("linear", "log", "linear", ranges={"linear": held(-1, 1), "log": BROKEN, "x": held(-1, 1)})
    graph.nodes[3].output_range = graph.nodes[3].input_ranges[0] = BROKEN
    graph.nodes[4].input_ranges = [BROKEN]
    (finding,) = run("non-finite", mine(graph))
    assert finding.evidence["operation"] == "log"
    assert finding.severity == "warning"  # on noise that the user did not give
    assert finding.evidence["input_minimum"] == -1


def test_a_mask_that_never_reaches_the_output_is_fine() -> None:
    infinite = Range(minimum=0, maximum=1, mean=0, std=1, inf=9, count=64)
    graph = chain("masked_fill", "softmax", ranges={"masked_fill": infinite, "softmax": held(0, 1)})
    assert run("non-finite", mine(graph)) == []
    mask = NonFinite(step=0, phase="forward", operation="masked_fill")
    assert run("non-finite", Facts(graph=graph, probe=probe([2.0, 1.5, 1.0], nonfinite=mask, gradient_norms=[0.1, 0.1]))) == []


def test_the_probes_own_witness_goes_first() -> None:
    seen = NonFinite(step=4, phase="backward", operation="sqrt", module="m0", inputs=[held(0, 2)], parameter="m0.weight")
    facts = mine(chain("sqrt"))
    facts.probe = probe([1.0] * 5, nonfinite=seen, gradient_norms=[0.1, 0.1, 0.1, 0.1, "nan"])
    (finding,) = run("non-finite", facts)
    assert finding.evidence["step"] == 4
    assert "root" in finding.fix


def test_non_finite_data_come_first() -> None:
    facts = mine(chain("linear"))
    facts.probe = probe(["nan"] * 3)
    facts.probe.data = DataInfo(user=True, inputs=[InputSpec(name="x", range=BROKEN)])
    (finding,) = run("non-finite", facts)
    assert "input x" in finding.message


def half(dtype: str, largest: float) -> Facts:
    graph = chain("linear", ranges={"linear": held(-1, largest)})
    for node in graph.nodes:
        node.outputs[0].dtype = dtype
    return mine(graph)


def test_half_precision_ends_early() -> None:
    assert [each.severity for each in run("half-overflow-risk", half("float16", 2e4))] == ["warning"]
    assert run("half-overflow-risk", half("float16", 100)) == []
    assert run("half-overflow-risk", half("bfloat16", 2e5)) == []
    assert [each.severity for each in run("half-overflow-risk", half("float32", 2e5))] == ["note"]
    assert run("half-overflow-risk", half("float32", 3.4e38)) == []  # a mask
