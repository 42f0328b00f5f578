"""Walking a graph: past what only moves numbers, to who computed a value and who uses it."""

import pytest

from nnreport.checks.lookup import spread_names
from nnreport.checks.walk import DROPOUT, LAYOUT, elements, operation, walk
from nnreport.facts import Graph, Node, TensorInfo


def graph() -> Graph:
    """x → linear → view → dropout → relu → output, and linear → mean, which nobody reads."""
    rows = [
        ("input", "x", []),
        ("op", "linear", [0]),
        ("op", "view", [1]),
        ("op", "dropout", [2]),
        ("op", "relu_", [3]),
        ("op", "mean", [1]),
    ]
    nodes = [Node(id=i, kind=kind, name=name, inputs=reads) for i, (kind, name, reads) in enumerate(rows)]
    return Graph(nodes=[*nodes, Node(id=6, kind="output", name="", inputs=[4], reads=[TensorInfo(shape=[2], dtype="float32")])])


def test_sources_and_users_look_past_reshapes():
    found = walk(graph())
    relu, linear = found.nodes[4], found.nodes[1]
    assert found.source(relu).id == 1
    assert found.source(relu, 0, DROPOUT).id == 2
    assert found.source(relu, 1) is None
    assert [node.id for node in found.users(linear)] == [4, 5]
    assert [node.id for node in found.users(linear, LAYOUT)] == [3, 5]
    assert [(out.id, source.id) for out, source in found.final()] == [(6, 4)]


def test_what_reaches_an_output():
    found = walk(graph())
    assert not found.reaches_output(found.nodes[5])
    assert found.reaches_output(found.nodes[2])
    assert found.upstream(found.nodes[3]) == {0, 1, 2, 3}


def test_the_index_of_one_graph_is_kept():
    one, other = graph(), graph()
    assert walk(one) is walk(one)
    assert walk(other) is not walk(one)


@pytest.mark.parametrize(
    ("name", "plain"), [("relu_", "relu"), ("__iadd__", "add"), ("bmm", "matmul"), ("concat", "cat"), ("linear", "linear")]
)
def test_names_of_operations(name, plain):
    assert operation(Node(id=0, kind="op", name=name)) == plain


def test_small_things():
    assert elements([]) == 1
    assert elements([2, 3]) == 6
    assert spread_names(["a"]) == "a"
    assert spread_names(["a", "b", "c"]) == "a, b and c"
    assert spread_names(list("abcdef")) == "a, b, c, d and 2 more"
