"""torchview's recording held against ours: it agrees on what is right, and says so where one of the two is not."""

import sys

import pytest
import torch
from torch import nn
from tracing import fingerprint, net, traced

from nnreport.facts import Graph, Witness
from nnreport.inspector.feeding.inputs import sample_of
from nnreport.inspector.tracing import witness as module
from nnreport.inspector.tracing.tree import read_tree


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.identity = nn.Identity()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 36, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.conv1(x))
        y = self.identity(self.conv2(self.act(x)))
        return self.head(torch.cat([x, y], 1)[:, :4] + y)


def judged(model: nn.Module, graph: Graph, x: torch.Tensor) -> Witness:
    return module.witness(model, sample_of(model, (x,), {}, "test"), graph, read_tree(model), 0, 0.0)


def test_both_see_the_same():
    model, x = Residual(), torch.randn(2, 3, 6, 6)
    before = fingerprint(model)
    found = traced(model, x)[0].graph.witness
    assert (found.state, found.calls, found.expected) == ("agrees", 9, 9)
    # conv1 → act → act → conv2; the second act and conv2 → flatten (Identity is looked through) → linear
    assert found.detail == "the same 9 module calls and 6 edges between leaf modules"
    assert fingerprint(model) == before


def test_a_missing_call_and_a_wrong_edge_are_seen():
    model, x = Residual(), torch.randn(2, 3, 6, 6)
    graph = traced(model, x)[0].graph
    flatten = next(node for node in graph.nodes if node.name == "flatten")
    flatten.inputs = [1]
    found = judged(model, graph, x)
    assert found.state == "differs"
    assert "edges are in torchview's alone" in found.detail
    graph = traced(model, x)[0].graph
    graph.calls[-1].module = "head.2"
    found = judged(model, graph, x)
    assert found.state == "differs"
    assert "torchview did not see head.2; torchview alone saw head.1" in found.detail


def test_values_written_in_place_are_no_disagreement():
    def forward(self, x):
        out = torch.zeros_like(x)
        out[:, :2] = self.a(x)[:, :2]
        return self.b(out)

    found = traced(net(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)), torch.randn(2, 4))[0].graph.witness
    assert found.state == "agrees"
    assert "1 more edges are values written into another tensor" in found.detail


def test_a_forward_that_torchview_cannot_run_fails_alone():
    def forward(self, x):
        if type(x) is not torch.Tensor:
            raise TypeError("only plain tensors")
        print("hello")
        return self.a(x)

    found, _ = traced(net(forward, a=nn.Linear(2, 2)), torch.randn(1, 2))
    assert (found.graph.witness.state, found.graph.witness.detail) == ("failed", "torchview raised TypeError: only plain tensors")
    assert found.failures == []


def test_it_prints_nothing(capsys):
    graph = traced(Residual(), torch.randn(2, 3, 6, 6))[0].graph
    capsys.readouterr()
    judged(net(lambda self, x: (print("hello"), self.a(x))[1], a=nn.Linear(6, 2)), graph, torch.randn(2, 3, 6, 6))
    assert capsys.readouterr() == ("", "")


def test_it_is_skipped_where_it_costs_too_much(monkeypatch):
    deep = nn.Sequential(*[nn.Linear(2, 2) for _ in range(301)])
    assert traced(deep, torch.randn(1, 2))[0].graph.witness.state == "skipped"
    model, x = Residual(), torch.randn(2, 3, 6, 6)
    graph = traced(model, x)[0].graph
    monkeypatch.setattr(module, "SECONDS", 0.0)
    found = judged(model, graph, x)
    assert (found.state, found.detail) == ("skipped", "torchview took too long and was stopped")
    graph.flops = int(1e12)
    assert judged(model, graph, x).state == "skipped"


def test_it_may_be_missing(monkeypatch):
    model, x = Residual(), torch.randn(2, 3, 6, 6)
    graph = traced(model, x)[0].graph
    monkeypatch.setitem(sys.modules, "torchview.torchview", None)
    assert judged(model, graph, x).state == "skipped"


@pytest.mark.parametrize("inputs", [1, 2])
def test_hooks_of_ours_do_not_stay(inputs):
    model = net(lambda self, x, y=None: self.a(x), a=nn.Linear(2, 2))
    traced(model, *[torch.randn(1, 2) for _ in range(inputs)])
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl or nn.Module.__call__.__name__ == "_wrapped_call_impl"
    assert type(torch.zeros(1)) is torch.Tensor
