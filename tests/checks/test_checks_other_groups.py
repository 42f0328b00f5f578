"""Normalisation, trained weights, speed and memory."""

import pytest
import torch
import torch.nn.functional as F
from kit import findings_of, from_facts
from torch import nn

from nnreport.facts import Environment, Facts, Module, ModuleCost, Parameter, Profile, Target, Tree, Weights
from nnreport.inspector.weighing.weights import read_weights

X = torch.randn(4, 12)
IMAGE = torch.randn(2, 3, 8, 8)


# ----------------------------------------------------------------------------------------------------------- normalisation


def ones():
    for _ in range(4):
        yield torch.randn(1, 12), torch.zeros(1, dtype=torch.long)


def pictures():
    for _ in range(4):
        yield torch.randn(1, 3, 8, 8), torch.zeros(1, dtype=torch.long)


FLAT = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
MAPS = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))


def test_batchnorm_batch_one():
    (found,) = findings_of("batchnorm-batch-one", FLAT, torch.randn(1, 12), probe=True, steps=2, data=ones, loss="cross_entropy")
    assert found.module == "1"
    assert found.evidence["values_per_channel"] == 1


@pytest.mark.parametrize(("model", "x", "data"), [(FLAT, torch.randn(1, 12), None), (MAPS, torch.randn(1, 3, 8, 8), pictures)])
def test_norms_with_enough_values(model, x, data):
    assert not findings_of("batchnorm-batch-one", model, x, probe=True, steps=2, data=data, loss="cross_entropy")


@pytest.mark.parametrize(
    "layers", [[nn.Dropout(0.5), nn.BatchNorm1d(12)], [nn.Dropout(0.3), nn.Linear(12, 8, bias=False), nn.BatchNorm1d(8)]]
)
def test_dropout_before_batchnorm(layers):
    (found,) = findings_of("dropout-before-batchnorm", nn.Sequential(nn.Linear(12, 12), *layers, nn.ReLU()), X)
    assert (found.severity, found.module) == ("note", "1")


@pytest.mark.parametrize(
    "layers", [[nn.BatchNorm1d(12), nn.Dropout(0.5)], [nn.Dropout(0.0), nn.BatchNorm1d(12)], [nn.Dropout(0.5), nn.LayerNorm(12)]]
)
def test_dropout_that_does_not_shift(layers):
    assert not findings_of("dropout-before-batchnorm", nn.Sequential(nn.Linear(12, 12), *layers, nn.ReLU(), nn.Linear(12, 2)), X)


@pytest.mark.parametrize(("p", "severity"), [(0.9, "warning"), (1.0, "error")])
def test_excessive_dropout(p, severity):
    (found,) = findings_of("excessive-dropout", nn.Sequential(nn.Linear(12, 8), nn.Dropout(p), nn.Linear(8, 2)), X)
    assert (found.severity, found.module) == (severity, "1")


def test_dropout_on_the_output():
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 2), nn.Dropout(0.2))
    (found,) = findings_of("excessive-dropout", model, X, probe=True, steps=2, loss="cross_entropy")
    assert (found.severity, found.module) == ("warning", "3")
    (found,) = findings_of("excessive-dropout", model, X)
    assert found.severity == "note"


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(12, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
        nn.Sequential(nn.Linear(12, 8), nn.LayerNorm(8), nn.Dropout(0.1)),
        nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.3)),
    ],
)
def test_dropout_in_measure(model):
    assert not findings_of("excessive-dropout", model, X)


def trained(model: nn.Module) -> Facts:
    weights = read_weights(model, fresh=False)
    return Facts(
        weights=weights, tree=Tree(modules=[Module(path=p, cls="m.Net", kind=type(m).__name__) for p, m in model.named_modules()])
    )


def test_frozen_batchnorm_drift():
    norm = nn.BatchNorm2d(8)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
    (found,) = from_facts("frozen-batchnorm-drift", trained(nn.Sequential(norm)))
    assert (found.severity, found.module) == ("note", "0")
    norm.running_mean += 0.1
    assert not from_facts("frozen-batchnorm-drift", trained(nn.Sequential(norm)))
    assert not from_facts("frozen-batchnorm-drift", trained(nn.Sequential(nn.BatchNorm2d(8))))


# ---------------------------------------------------------------------------------------------------------- trained weights


def test_non_finite_weights():
    model = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8))
    with torch.no_grad():
        model[0].weight[2, 3] = float("nan")
        model[0].bias[1] = float("inf")
    (found,) = from_facts("non-finite-weights", trained(model))
    assert (found.severity, found.module, found.evidence["nan"], found.evidence["inf"]) == ("error", "0", 1, 1)


def test_infinite_masks_are_no_weights():
    model = nn.Linear(4, 4)
    model.register_buffer("mask", torch.full((4, 4), float("-inf")).triu(1))
    assert not from_facts("non-finite-weights", trained(model))
    model.mask[0, 0] = float("nan")
    assert from_facts("non-finite-weights", trained(model))


def zeroed(layer: nn.Module, units: int) -> nn.Module:
    with torch.no_grad():
        layer.weight[:units] = 0
    return layer


def test_dead_filters():
    (found,) = from_facts("dead-filters", trained(nn.Sequential(nn.Conv2d(3, 8, 3), zeroed(nn.Conv2d(8, 20, 3), 5))))
    assert (found.severity, found.module, found.evidence["zero_units"]) == ("warning", "1", 5)


def test_zeros_that_are_no_dead_filters():
    branch = zeroed(nn.Linear(8, 8), 8)
    nn.init.zeros_(branch.bias)
    for layer in (zeroed(nn.Linear(8, 20), 2), zeroed(nn.Embedding(20, 8), 10), branch, nn.Linear(8, 8)):
        assert not from_facts("dead-filters", trained(nn.Sequential(layer)))
    fresh = trained(nn.Sequential(zeroed(nn.Linear(8, 20), 10)))
    fresh.weights.fresh = True
    assert not from_facts("dead-filters", fresh)


def test_weight_outliers():
    layer = nn.Linear(100, 100)
    assert not from_facts("weight-outliers", trained(layer))
    with torch.no_grad():
        layer.weight[3, 4] = 1000 * layer.weight.std()
    (found,) = from_facts("weight-outliers", trained(layer))
    assert found.evidence["ratio"] > found.evidence["limit"]


def test_low_rank_weights():
    layer = nn.Linear(64, 64)
    assert not from_facts("low-rank-weights", trained(layer))
    with torch.no_grad():
        layer.weight.copy_(torch.randn(64, 1) @ torch.randn(1, 64))
    (found,) = from_facts("low-rank-weights", trained(layer))
    assert found.evidence["effective_rank"] == pytest.approx(1.0, abs=0.1)


def test_checkpoint_mismatch():
    target = Target(
        weights="w.pt",
        missing_keys=["fc.weight"],
        unexpected_keys=["head.weight"],
        mismatched_keys={"a.weight": [[4, 2], [3, 2]]},
    )
    (found,) = from_facts("checkpoint-mismatch", Facts(target=target))
    assert found.severity == "error"
    assert "[3, 2] for [4, 2]" in found.message
    wrapped = Target(weights="w.pt", missing_keys=["fc.weight"], unexpected_keys=["module.fc.weight"])
    (found,) = from_facts("checkpoint-mismatch", Facts(target=wrapped))
    assert "removeprefix('module.')" in found.code


def test_a_checkpoint_that_fits():
    assert not from_facts("checkpoint-mismatch", Facts(target=Target(weights="w.pt", missing_keys=["bn.num_batches_tracked"])))


# -------------------------------------------------------------------------------------------------------------------- speed


def costs(*rows: tuple[str, float, int]) -> Facts:
    modules = [
        ModuleCost(module=name, forward=seconds / 3, backward=2 * seconds / 3, flops=flops) for name, seconds, flops in rows
    ]
    return Facts(profile=Profile(modules=modules))


def test_hot_layer():
    (found,) = from_facts("hot-layer", costs(("a", 0.001, 100), ("b", 0.08, 50), ("c", 0.001, 100), ("d", 0.001, 100)))
    assert (found.severity, found.module) == ("note", "b")
    assert not from_facts("hot-layer", costs(("a", 0.001, 10), ("b", 0.08, 500), ("c", 0.001, 10), ("d", 0.001, 10)))
    assert not from_facts("hot-layer", costs(("a", 1e-5, 100), ("b", 8e-4, 50), ("c", 1e-5, 100), ("d", 1e-5, 100)))
    assert not from_facts("hot-layer", costs(("a", 0.02, 100), ("b", 0.03, 50), ("c", 0.02, 100), ("d", 0.02, 100)))


def half(width: int, device: str, dtype: str = "float16") -> Facts:
    parameter = Parameter(name="fc.weight", module="fc", shape=[width, 512], dtype=dtype)
    return Facts(
        environment=Environment(device=device), tree=Tree(modules=[Module(path="fc", cls="Linear")], parameters=[parameter])
    )


def test_misaligned_width():
    (found,) = from_facts("misaligned-width", half(1001, "cuda:0"))
    assert "1008" in found.fix
    for facts in (half(1001, "cpu"), half(1001, "cuda:0", "float32"), half(1000, "cuda:0"), half(10, "cuda:0")):
        assert not from_facts("misaligned-width", facts)


class Syncs(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.fc, self.how = nn.Linear(12, 3), how

    def forward(self, x):
        y = self.fc(x)
        if self.how == "item":
            return y * x.abs().max().item()
        if self.how == "print":
            print(y)
        if self.how == "lengths":
            lengths = (x > 0).sum(1).cpu()
            return y + lengths.unsqueeze(1)
        return y


@pytest.mark.parametrize("how", ["item", "print"])
def test_host_sync(how, capsys):
    (found,) = findings_of("host-sync", Syncs(how), X)
    assert (found.severity, found.evidence["calls"]) == ("warning", how)


@pytest.mark.parametrize("how", ["none", "lengths"])
def test_no_host_sync(how):
    assert not findings_of("host-sync", Syncs(how), X)


class Looped(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.out = layer, nn.Linear(4, 2)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 4)
        for t in range(x.shape[1]):
            h = self.layer(x[:, t], h) if isinstance(self.layer, nn.GRUCell) else torch.tanh(h + self.layer(x[:, t]))
        return self.out(h)


def test_many_small_calls():
    (found,) = findings_of("many-small-calls", Looped(nn.Linear(3, 4)), torch.randn(2, 60, 3))
    assert (found.severity, found.module, found.evidence["calls"]) == ("note", "layer", 60)
    assert not findings_of("many-small-calls", Looped(nn.Linear(3, 4)), torch.randn(2, 20, 3))
    assert not findings_of("many-small-calls", Looped(nn.GRUCell(3, 4)), torch.randn(2, 60, 3))


class Attention(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.qkv, self.how = nn.Linear(12, 36), how

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.how == "fused":
            return F.scaled_dot_product_attention(q, k, v)
        weights = torch.softmax(q @ k.mT / 12**0.5, -1)
        return (weights @ v, weights) if self.how == "returned" else weights @ v


def test_unfused_attention():
    sequence = torch.randn(2, 5, 12)
    (found,) = findings_of("unfused-attention", Attention("written"), sequence)
    assert found.severity == "note"
    assert not findings_of("unfused-attention", Attention("fused"), sequence)
    assert not findings_of("unfused-attention", Attention("returned"), sequence)
    assert not findings_of("unfused-attention", nn.MultiheadAttention(12, 2, batch_first=True), sequence, sequence, sequence)


def test_weights_alone_are_enough():
    assert not from_facts("dead-filters", Facts(weights=Weights(fresh=False)))
