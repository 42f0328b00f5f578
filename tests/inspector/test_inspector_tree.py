"""The tree: modules, parameters, and what is held without being registered."""

import torch
from torch import nn
from torch.nn import utils
from torch.nn.utils import prune

from nnreport.inspector.tracing.tree import read_tree
from sample_models.simple_net import SimpleNet


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = [nn.Linear(2, 2), {"k": nn.Linear(3, 3)}]
        self.blocks.append(self.blocks)  # a cycle
        self.scale = torch.randn(3, requires_grad=True)
        self.weights = [nn.Parameter(torch.ones(2))]
        self.offset = torch.ones(3)
        self.fc = nn.Linear(2, 2)
        self.alias = [self.fc]
        self.view = self.fc.weight.detach()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight
        self.again = self.head
        self.register_buffer("step", torch.zeros(2), persistent=False)


def stray(model: nn.Module) -> dict[str, str]:
    return {each.attribute: each.kind for each in read_tree(model).stray}


def test_simple_net():
    tree = read_tree(SimpleNet())
    assert [module.path for module in tree.modules] == ["", "fc1", "relu", "fc2"]
    assert tree.total == tree.trainable == 784 * 128 + 128 + 128 * 10 + 10 == 101_770
    assert tree.size == 4 * tree.total
    root, fc1 = tree.modules[:2]
    assert root.user
    assert root.location.path == "sample_models/simple_net.py"
    assert root.location.text == "class SimpleNet(nn.Module):"
    assert root.children == ["fc1", "relu", "fc2"]
    assert (root.parameters, root.total) == (0, 101_770)
    assert fc1.kind == "Linear"
    assert not fc1.user
    assert fc1.location.path == "torch/nn/modules/linear.py"
    assert fc1.settings == {"in_features": 784, "out_features": 128}
    assert not tree.stray


def test_tied_parameters_count_once():
    tree = read_tree(Tied())
    assert tree.total == 40
    assert [(p.name, p.tied) for p in tree.parameters if p.kind == "parameter"] == [("embed.weight", ["head.weight"])]
    head = next(module for module in tree.modules if module.path == "head")
    assert head.aliases == ["again"]
    assert head.parameters == 0
    buffer = next(p for p in tree.parameters if p.kind == "buffer")
    assert (buffer.name, buffer.persistent, buffer.trainable, tree.buffers) == ("step", False, False, 2)


def test_parameters_tied_by_memory_count_once():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight.data = a.weight.data
    tree = read_tree(nn.Sequential(a, b))
    assert tree.total == 9 + 3 + 3
    assert tree.parameters[0].tied == ["1.weight"]


def test_strays_are_found_in_containers_and_aliases_are_not():
    assert stray(Holder()) == {
        "blocks[0]": "module",
        "blocks[1]['k']": "module",
        "scale": "parameter",
        "weights[0]": "parameter",
        "offset": "tensor",
    }
    found = {each.attribute: each for each in read_tree(Holder()).stray}
    assert found["blocks[0]"].parameters == 6
    assert found["blocks[0]"].requires_grad
    assert found["scale"].location.text == "self.scale = torch.randn(3, requires_grad=True)"
    assert not found["offset"].requires_grad


def test_what_torch_keeps_for_itself_is_no_stray():
    layers = [
        nn.LSTM(3, 4, 2, bidirectional=True),
        nn.MultiheadAttention(4, 2),
        nn.BatchNorm2d(3),
        utils.spectral_norm(nn.Linear(3, 4)),
        utils.parametrizations.weight_norm(nn.Linear(3, 4)),
        utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, batch_first=True), 2),
    ]
    pruned = nn.Linear(3, 4)
    prune.random_unstructured(pruned, "weight", 0.5)
    for layer in [*layers, pruned]:
        assert stray(nn.Sequential(layer)) == {}, layer


def test_signatures_fold_equal_blocks_only():
    class Block(nn.Module):
        def __init__(self, layer_idx: int, width: int) -> None:
            super().__init__()
            self.layer_idx = layer_idx
            self.fc = nn.Linear(width, width)
            self.act = nn.GELU()

    tree = read_tree(nn.Sequential(Block(0, 4), Block(1, 4), Block(2, 8)))
    first, second, third = (next(m for m in tree.modules if m.path == path).signature for path in "012")
    assert first == second != third
    relu, gelu = (read_tree(nn.Sequential(each)).modules[0].signature for each in (nn.ReLU(), nn.GELU()))
    assert relu != gelu
    assert read_tree(nn.Dropout(0.1)).modules[0].signature != read_tree(nn.Dropout(0.5)).modules[0].signature


def test_lazy_parameters_have_no_size_yet():
    tree = read_tree(nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2)))
    assert tree.total == 8
    assert [p.count for p in tree.parameters] == [0, 0, 6, 2]


def test_kind_is_torchs_class_of_a_subclass():
    class Mine(nn.Linear):
        pass

    module = read_tree(Mine(2, 2)).modules[0]
    assert (module.kind, module.name, module.user) == ("Linear", "Mine", True)
    assert read_tree(SimpleNet()).modules[0].kind == ""
