"""What is registered, what is called, what raises, what starts alike."""

import copy

import pytest
import torch
import torch.nn.functional as F
from kit import findings_of, from_facts, load
from torch import nn

from nnreport.facts import Facts, Failure, Location, Module, Parameter, TensorInfo, Tree

X = torch.randn(4, 6)


# ----------------------------------------------------------------------------------------------------------- registration


class Listed(nn.Module):
    def __init__(self, registered=False):
        super().__init__()
        blocks = [nn.Linear(6, 6) for _ in range(3)]
        self.blocks = nn.ModuleList(blocks) if registered else blocks
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.head(x)


class Teacher(nn.Module):
    """Keeps its frozen teacher out of the tree on purpose."""

    def __init__(self, frozen=True):
        super().__init__()
        self.teacher = (nn.Linear(6, 2).requires_grad_(not frozen),)
        self.student = nn.Linear(6, 2)

    def forward(self, x):
        with torch.no_grad():
            wanted = self.teacher[0](x)
        return self.student(x) - wanted


class Aliased(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 2)
        self.order = [self.a, self.b]

    def forward(self, x):
        return self.order[1](torch.relu(self.order[0](x)))


def test_layers_in_a_plain_list():
    (found,) = findings_of("unregistered-module", Listed(), X)
    assert (found.severity, found.module, found.evidence["modules"]) == ("error", "blocks", 3)
    assert found.evidence["parameters"] == 3 * 42
    assert "nn.ModuleList" in found.code


@pytest.mark.parametrize("model", [Listed(registered=True), Teacher(), Teacher(frozen=False), Aliased()])
def test_lists_that_hide_nothing(model):
    assert not findings_of("unregistered-module", model, X)


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.fc, self.scale = nn.Linear(6, 2), scale

    def forward(self, x):
        return self.fc(x) * self.scale


class Moved(Scaled):
    def forward(self, x):
        return self.fc(x) * self.scale.to(x.device)


class Buffered(Scaled):
    def __init__(self):
        super().__init__(None)
        del self.scale
        self.register_buffer("scale", torch.ones(2))


def test_a_plain_tensor_that_should_learn():
    (found,) = findings_of("unregistered-parameter", Scaled(torch.ones(2, requires_grad=True)), X)
    assert (found.severity, found.module) == ("error", "")
    assert "self.scale = nn.Parameter" in found.code


@pytest.mark.parametrize("scale", [nn.Parameter(torch.ones(2)), torch.ones(2), 2.0])
def test_what_is_no_hidden_parameter(scale):
    assert not findings_of("unregistered-parameter", Scaled(scale), X)


def test_a_plain_constant():
    (found,) = findings_of("unregistered-buffer", Scaled(torch.ones(2)), X)
    assert found.severity == "warning"
    assert 'register_buffer("scale"' in found.code


@pytest.mark.parametrize("model", [Scaled(torch.tensor(2.0)), Moved(torch.ones(2)), Buffered(), Scaled(3)])
def test_constants_that_follow_the_model(model):
    assert not findings_of("unregistered-buffer", model, X)


# ------------------------------------------------------------------------------------------------------------ unused-module


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.relu(self.a(torch.relu(self.a(x)))))


class Auxiliary(Twice):
    def forward(self, x):
        h = torch.relu(self.a(x))
        return (self.head(h), self.b(h)) if self.training else self.head(h)


class Functional(Twice):
    def forward(self, x):
        return self.head(torch.relu(F.linear(self.a(x), self.b.weight, self.b.bias)))


class OtherMethod(Twice):
    def decode(self, h):
        return self.b(h)


class Optional(Twice):
    def forward(self, x, more=None):
        h = self.a(x)
        if more is not None:
            h = h + self.b(more)
        return self.head(torch.relu(h))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(6, 6), nn.Linear(6, 6, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return F.linear(x, self.embed.weight)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(6, 8)
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(8))

    def forward(self, x):
        weight, index = self.router(x).softmax(-1).topk(1, -1)
        return torch.stack([w * self.experts[int(i)](row) for row, i, w in zip(x, index, weight, strict=True)])


class Frozen(Twice):
    def __init__(self):
        super().__init__()
        self.b = copy.deepcopy(self.a).requires_grad_(False)


class SkipsOne(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return x


@pytest.mark.parametrize(("model", "path"), [(Twice(), "b"), (SkipsOne(), "layers.2")])
def test_unused_module(model, path):
    (found,) = findings_of("unused-module", model, X)
    assert (found.severity, found.module, found.evidence["parameters"]) == ("warning", path, 42)


def test_the_line_that_makes_an_unused_module_can_silence_it(tmp_path):
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.idle: nn.Module = nn.Linear(6, 6)MARK

    def forward(self, x):
        return self.fc(x)
"""
    (found,) = findings_of("unused-module", load(tmp_path, text.replace("MARK", "")).Net(), X)
    assert found.location.text == "self.idle: nn.Module = nn.Linear(6, 6)"
    assert not findings_of("unused-module", load(tmp_path, text.replace("MARK", "  # nnreport: ignore[unused-module]")).Net(), X)


@pytest.mark.parametrize("model", [Auxiliary(), Functional(), OtherMethod(), Optional(), Tied(), Experts(), Frozen()])
def test_modules_with_a_reason_to_be_idle(model):
    assert not findings_of("unused-module", model, X)


def test_attention_projections_are_used():
    assert not findings_of("unused-module", nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), torch.randn(2, 3, 6))


# -------------------------------------------------------------------------------------------------------- dominant, identical


def test_dominant_layer():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 900), nn.ReLU(), nn.Linear(900, 1), nn.ReLU(), nn.Linear(1, 2))
    (found,) = findings_of("dominant-layer", model, X)
    assert (found.severity, found.module) == ("note", "2")
    assert found.evidence["share"] > found.evidence["limit"]


def test_layers_of_one_size_and_vocabularies():
    even = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(6, 6), nn.ReLU())])
    assert not findings_of("dominant-layer", even, X)
    words = nn.Sequential(nn.Embedding(2000, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    assert not findings_of("dominant-layer", words, torch.randint(0, 2000, (4, 5)))


def test_identical_layers():
    layer = nn.Linear(6, 6)
    model = nn.Sequential(layer, nn.ReLU(), copy.deepcopy(layer))
    (found,) = findings_of("identical-layers", model, X)
    assert (found.severity, found.modules) == ("note", ["0", "2"])


def test_layers_that_differ_or_are_meant_to_be_copies():
    assert not findings_of("identical-layers", nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)), X)
    layer = nn.Linear(6, 6)
    assert not findings_of("identical-layers", nn.Sequential(layer, copy.deepcopy(layer).requires_grad_(False)), X)
    zeros = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    for each in zeros:
        nn.init.zeros_(each.weight)
    assert not findings_of("identical-layers", zeros, X)


# ------------------------------------------------------------------------------------------------------------------- errors


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def test_forward_error():
    (found,) = findings_of("forward-error", Images(), torch.randn(1, 28, 28))
    assert (found.severity, found.module) == ("error", "fc1")
    assert "784" in found.message
    assert "[1, 28, 28]" in found.message
    assert found.location.text.startswith("return self.fc2(")


def test_no_forward_error():
    assert not findings_of("forward-error", Images(), torch.randn(1, 784))


class InPlace(nn.Module):
    def __init__(self, safe=False):
        super().__init__()
        self.a, self.b, self.safe = nn.Linear(6, 6), nn.Linear(6, 2), safe

    def forward(self, x):
        h = torch.exp(self.a(x))
        if self.safe:
            h = h + 1
        else:
            h += 1
        return self.b(h)


def test_backward_error():
    (found,) = findings_of("backward-error", InPlace(), X, probe=True, steps=2, loss="cross_entropy")
    assert found.severity == "error"
    assert "inplace" in found.message


def test_no_backward_error():
    assert not findings_of("backward-error", InPlace(safe=True), X, probe=True, steps=2)
    assert not findings_of("backward-error", Images().requires_grad_(False), torch.randn(1, 784), probe=True, steps=2)


BROKEN = """from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, self.wdith)
"""


def test_construction_error(nnreport):
    done = nnreport("net.py:Net", "--input", "1,4", files={"net.py": BROKEN})
    assert done.status == 0, done.err
    (found,) = [each for each in done.report["findings"] if each["check"] == "construction-error"]
    assert found["severity"] == "error"
    assert "wdith" in found["message"]
    assert found["location"]["line"] == 5


def test_a_constructor_that_works_says_nothing():
    assert not from_facts("construction-error", Facts(tree=Tree()))


def test_a_failure_is_told_once():
    failure = Failure(
        phase="forward", exception="RuntimeError", message="mat1", module="fc", inputs=[TensorInfo(shape=[1, 3], dtype="float32")]
    )
    assert len(from_facts("forward-error", Facts(failures=[failure, failure]))) == 1


# ----------------------------------------------------------------------------------------------- module made in forward (trace)


def test_a_layer_made_in_forward_is_seen_without_its_source():
    place = Location(path="m.py", line=3, text="y = make()(x)")
    from nnreport.facts import StrayTensor

    stray = StrayTensor(
        kind="module", owner="", attribute="", cls="torch.nn.modules.linear.Linear", in_forward=True, location=place
    )
    tree = Tree(
        modules=[Module(path="", cls="m.Net")],
        parameters=[Parameter(name="w", module="", shape=[2], dtype="float32")],
        stray=[stray],
    )
    (found,) = from_facts("module-in-forward", Facts(tree=tree))
    assert found.location.line == 3
    stray.in_forward = False
    assert not from_facts("module-in-forward", Facts(tree=tree))


MADE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 2)
    def forward(self, x):
        return nn.Linear(2, 2)(self.fc(x))
"""


def test_a_layer_made_in_forward_of_a_users_file(tmp_path):
    (found,) = findings_of("module-in-forward", load(tmp_path, MADE).Net(), X)
    assert found.location.text == "return nn.Linear(2, 2)(self.fc(x))"


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleDict({"a": nn.Linear(6, 2), "b": nn.Linear(6, 2)})

    def forward(self, x, task="a"):
        return self.heads[task](x)


def test_a_head_that_was_not_asked_for():
    assert not findings_of("unused-module", Heads(), X)
