"""A forward or backward that raises: which module, what it wanted, what it got, how to mend it, and the picture up to there."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from tracing import fingerprint, module, names, net, traced

from nnreport.facts import Failure
from sample_models.simple_net import SimpleNet


def failure(model: nn.Module, *args, **kwargs) -> Failure:
    found, _ = traced(model, *args, **kwargs)
    (only,) = found.failures
    return only


def test_the_tutorials_own_mistake():
    model = SimpleNet()
    before = fingerprint(model)
    found, tree = traced(model, torch.randn(1, 28, 28))
    (only,) = found.failures
    assert (only.phase, only.exception, only.module, only.operation) == ("forward", "RuntimeError", "fc1", "linear")
    assert only.cls == "torch.nn.modules.linear.Linear"
    assert only.inputs[0].shape == [1, 28, 28]
    assert only.expected == "784 features in the last axis, got 28"
    assert "`x = x.flatten(1)`" in only.hint
    assert only.location.path == "sample_models/simple_net.py"
    assert only.location.text == "x = self.relu(self.fc1(x))"
    assert [frame.location.text for frame in only.frames] == ["x = self.relu(self.fc1(x))"]
    graph = found.graph
    assert not graph.complete
    assert found.reach is None
    assert [(n.kind, n.name, n.inputs, len(n.outputs)) for n in graph.nodes] == [("input", "x", [], 1), ("op", "linear", [0], 0)]
    assert [(c.module, c.failed) for c in graph.calls] == [("", True), ("fc1", True)]
    assert (module(tree, "fc1").calls, module(tree, "fc2").calls) == (1, 0)
    assert fingerprint(model) == before


def deep_net():
    return nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 8), nn.Linear(9, 2)))


def test_the_innermost_module_is_named():
    found, _ = traced(deep_net(), torch.randn(2, 4))
    assert found.failures[0].module == "1.1"
    assert names(found) == ["linear", "relu", "linear", "linear"]


def test_keyword_inputs_are_recorded():
    only = failure(net(lambda self, x: self.a(input=x), a=nn.Linear(3, 4)), torch.randn(2, 4))
    assert (only.module, [i.shape for i in only.inputs]) == ("a", [[2, 4]])


def apply(function):
    return net(lambda self, x: function(x), idle=nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("model", "x", "expected", "hint"),
    [
        (nn.Linear(8, 3), torch.randn(4, 8, 5), "8 features in the last axis, got 5", "x.transpose(1, -1)"),
        (nn.Linear(784, 3), torch.randn(28, 28), "784 features in the last axis, got 28", "no batch axis"),
        (nn.Linear(100, 3), torch.randn(1, 2704), "100 features in the last axis, got 2704", "nn.Linear(2704, 3)"),
        (nn.Linear(8, 3), torch.randint(0, 3, (2, 8)), "float32, got int64", "x.float()"),
        (nn.Linear(8, 3), torch.randn(2, 8).double(), "float32, got float64", "torch.float32"),
        (nn.Conv2d(3, 4, 3), torch.randn(2, 28, 28, 3), "3 channels in axis 1 (N, C, H, W), got 28", "x.permute(0, 3, 1, 2)"),
        (nn.Conv2d(1, 4, 3), torch.randn(8, 28, 28), "1 channel in axis 0", "x.unsqueeze(1)"),
        (nn.Conv2d(4, 4, 3, groups=2), torch.randn(1, 2, 8, 8), "4 channels in axis 1", "nn.Conv2d(2"),
        (nn.Conv2d(1, 4, 3), torch.randn(8, 784), "4 axes (N, C, H, W) with 1 channel, got 2 axes (8×784)", "x.view("),
        (nn.Conv2d(1, 4, 7), torch.randn(1, 1, 5, 5), "a map of at least 7×7 (its kernel), got 5×5", "pad"),
        (nn.ConvTranspose2d(4, 2, 2), torch.randn(1, 3, 5, 5), "4 channels in axis 1", "ConvTranspose2d(3"),
        (nn.MaxPool2d(4), torch.randn(1, 1, 2, 2), "a larger map than 1×1×2×2", "pool"),
        (nn.Embedding(10, 4), torch.tensor([[1, 12]]), "indices from 0 to 9, got 12", "nn.Embedding(13, 4)"),
        (nn.Embedding(10, 4), torch.tensor([[1, -1]]), "indices from 0 to 9, got -1", "mask"),
        (nn.Embedding(10, 4), torch.rand(2, 3), "integer indices from 0 to 9, got float32", "int64[0,10)"),
        (apply(lambda x: x @ x), torch.randn(2, 8), "equal inner sizes, got 2×8 @ 2×8 (8 against 2)", "transpose"),
        (apply(lambda x: x + x[:, 1:]), torch.randn(2, 8), "got 2×8 and 2×7 (axis 1: 8 against 7)", "skip"),
        (apply(lambda x: torch.cat([x, x[..., 1:]], 1)), torch.randn(2, 8, 5), "in all axes but 1, got 2×8×5, 2×8×4", "crop"),
        (apply(lambda x: torch.stack([x, x[:, 1:]])), torch.randn(2, 8), "tensors of one shape, got 2×8, 2×7", ""),
        (apply(lambda x: x.view(-1, 100)), torch.randn(2, 3, 26, 26), "a multiple of 100 elements, got 4056", "flatten(1)"),
        (apply(lambda x: x.view(32, 64)), torch.randn(2, 64), "2048 elements for [32, 64], got 128 (2×64)", "-1"),
        (apply(lambda x: x.transpose(1, 2).view(2, -1)), torch.randn(2, 3, 4), "laid out", "reshape"),
        (nn.BatchNorm2d(8), torch.randn(2, 3, 4, 4), "8 channels in axis 1, got 3", "num_features=3"),
        (nn.BatchNorm2d(8), torch.randn(2, 8), "4D input, got 2D", ""),
        (nn.LayerNorm(8), torch.randn(2, 9), "last axes of size [8], got [2, 9]", ""),
        (nn.LSTM(8, 4), torch.randn(5, 2, 7), "8 features in the last axis, got 7", "input_size=7"),
        (apply(lambda x: x.softmax(3)), torch.randn(2, 3, 8), "an axis from -3 to 2, got 3 on a tensor of 2×3×8", ""),
        (apply(lambda x: x if x > 0 else -x), torch.randn(2, 3), "one truth value", ".any()"),
        (apply(lambda x: F.cross_entropy(x, torch.zeros(3).long())), torch.randn(2, 4), "got 2 predictions and 3 targets", ""),
        (apply(lambda x: x + torch.ones(4, device="meta")), torch.randn(2, 4), "all tensors on one device, got cpu and meta", ""),
    ],
)
def test_what_was_expected_and_how_to_mend_it(model, x, expected, hint):
    only = failure(model, x)
    assert expected in only.expected
    assert hint in only.hint


def test_errors_of_plain_python():
    only = failure(net(lambda self, x: self.fc3(x), fc1=nn.Linear(8, 4), fc2=nn.Linear(4, 4)), torch.randn(2, 8))
    assert (only.exception, only.expected) == ("AttributeError", "an attribute named fc3")
    assert only.hint.startswith("did you mean self.fc")
    only = failure(net(lambda self, x: self.a(x, x), a=nn.Linear(8, 4)), torch.randn(2, 8))
    assert (only.module, only.exception, only.expected) == ("a", "TypeError", "forward(input: Tensor)")
    only = failure(net(lambda self, x: self.r(x).relu(), r=nn.GRU(8, 4)), torch.randn(2, 3, 8))
    assert only.expected == "a tensor, got a tuple"
    only = failure(net(lambda self, x: self.h(self.r(x)), r=nn.GRU(8, 4), h=nn.Linear(4, 2)), torch.randn(2, 3, 8))
    assert (only.module, only.expected) == ("h", "a tensor as input, got a tuple")
    only = failure(net(lambda self, x: self.blocks(x), blocks=nn.ModuleList([nn.Linear(2, 2)])), torch.randn(2, 2))
    assert (only.module, only.exception) == ("blocks", "NotImplementedError")
    assert "call them one by one" in only.hint


def test_unpacking_a_shape():
    def forward(self, x):
        batch, channels, height, width = x.shape
        return self.a(x).view(batch, channels, height * width)

    only = failure(net(forward, a=nn.Linear(8, 4)), torch.randn(2, 3, 8))
    assert only.expected == "4 values to unpack, got 3; the input has 3 axes (2×3×8)"
    assert only.location.text == "batch, channels, height, width = x.shape"


def test_no_forward_and_an_endless_one():
    only = failure(nn.Module(), torch.randn(2))
    assert only.expected == "a method named forward"
    only = failure(net(lambda self, x: self(x), a=nn.Linear(2, 2)), torch.randn(2, 2))
    assert (only.exception, only.expected) == ("RecursionError", "a forward that ends")
    assert len(only.frames) <= 40


def test_an_error_that_the_model_catches_is_none():
    def forward(self, x):
        try:
            return self.a(x)
        except RuntimeError:
            return self.b(x)

    found, _ = traced(net(forward, a=nn.Linear(8, 4), b=nn.Linear(2, 4)), torch.randn(3, 2))
    assert found.failures == []
    assert found.graph.complete
    assert [(c.module, c.failed) for c in found.graph.calls] == [("", False), ("a", True), ("b", False)]


def test_an_error_raised_for_another_keeps_its_place():
    def forward(self, x):
        try:
            return self.a(x)
        except RuntimeError as error:
            raise ValueError("the input does not fit") from error

    only = failure(net(forward, a=nn.Linear(8, 4)), torch.randn(3, 2))
    assert (only.exception, only.module, only.operation) == ("ValueError", "a", "linear")
    assert only.expected == "8 features in the last axis, got 2"


def backward_failure(model: nn.Module, x: torch.Tensor) -> Failure:
    only = failure(model, x)
    assert only.phase == "backward"
    return only


def test_a_change_in_place_is_named_with_its_line():
    def forward(self, x):
        y = torch.sigmoid(self.a(x))
        z = self.b(y)
        y += 1
        return z + y.sum()

    only = backward_failure(net(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 2)), torch.randn(3, 4))
    assert (only.operation, only.location.text) == ("add", "y += 1")
    assert only.expected == "the value that linear keeps for its gradient left as it is until backward"
    assert "`x = x + …` instead of `x += …`" in only.hint


def test_an_activation_in_place_after_sigmoid():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True), nn.Linear(4, 4))
    only = backward_failure(model, torch.randn(2, 4))
    assert (only.module, only.operation) == ("2", "relu")
    assert "inplace=False" in only.hint


def test_an_error_in_the_users_own_backward():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("not today")

    only = backward_failure(net(lambda self, x: Broken.apply(self.a(x)), a=nn.Linear(4, 4)), torch.randn(2, 4))
    assert (only.exception, only.operation) == ("ValueError", "Broken")
    assert only.location.text == 'raise ValueError("not today")'
