"""Tensors as characters, and the table of those at hand."""

import sys

import pytest
import torch
from torch import nn

from nnreport.inspector.breaking.draw import SHADES, drawn
from nnreport.inspector.breaking.tensors import at_hand, table


def test_a_small_tensor_is_numbers():
    lines = drawn(torch.tensor([[1.0, 2.5], [float("nan"), -3.0]]))
    assert lines[0].startswith("float32[2, 2]  -3 … 2.5")
    assert "1 NaN" in lines[0]
    assert [line.split() for line in lines[1:]] == [["1", "2.5"], ["nan", "-3"]]


def test_a_map_shows_where_it_is_bright_and_where_it_is_not_finite():
    picture = torch.zeros(20, 30)
    picture[:, 15:] = 1.0
    picture[2, 3] = float("nan")
    picture[4, 5] = float("inf")
    lines = drawn(picture, width=80)
    assert lines[1][-1] == SHADES[-1]
    assert lines[1].startswith(" " * 30)
    assert lines[3][6:8] == "NN"
    assert lines[5][10:12] == "II"
    assert len(lines) == 1 + 20 + 1


@pytest.mark.parametrize("shape", [(3, 64, 64), (8, 1, 28, 28), (2, 16, 7, 7), (500, 600), (4, 1000), (1, 1, 4, 1000)])
def test_every_shape_fits_the_terminal(shape):
    lines = drawn(torch.randn(shape), width=80)
    assert max(map(len, lines[1:])) <= 80
    assert len(lines) <= 34


def test_a_vector_is_a_histogram_that_counts_every_finite_value():
    values = torch.cat([torch.randn(1000), torch.tensor([float("inf")])])
    lines = drawn(values, width=80)
    assert sum(int(line.split()[-1]) for line in lines[1:] if "#" in line) == 1000


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(3.0),
        torch.zeros(0, 4),
        torch.full((100,), float("nan")),
        torch.full((9, 9), 2.0),
        torch.arange(200),
        torch.randn(80).bool(),
        torch.randn(90, dtype=torch.complex64),
        torch.randn(10, 10).to_sparse(),
        torch.randn(70).half(),
        torch.empty(4, 4, device="meta"),
        [1, 2, 3],
        object(),
        None,
        torch.randn(5, requires_grad=True),
    ],
)
@pytest.mark.parametrize("how", ["auto", "numbers", "map", "histogram"])
def test_whatever_is_shown_nothing_is_raised(value, how):
    assert all(isinstance(line, str) for line in drawn(value, how))


def test_an_unknown_way_says_which_there_are():
    assert "numbers" in drawn(torch.zeros(3), "picture")[0]


def test_at_hand_names_what_python_can_type():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x, extra, parts):
            later = x * 2
            return at_hand({"output": {"a.b": x, "c": [x + 1]}}, sys._getframe()), later

    found, _ = Net()(torch.zeros(2, 3), {"mask": torch.ones(2)}, [torch.full((2,), float("nan")), "text"])
    names = [each.name for each in found]
    assert names[:2] == ["here.output['a.b']", "here.output['c'][0]"]
    assert {"extra['mask']", "parts[0]", "later", "self.scale"} <= set(names)
    assert "x" not in names  # it is the one that stands first already
    nan = next(each for each in found if each.name == "parts[0]")
    assert nan.range is not None
    assert nan.range.nan == 2
    assert any("2 NaN of 2" in line for line in table(found))
