"""Does a sample move another sample's output: the faults that do so, and the healthy nets that look as if they did."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnreport.facts import Experiments
from nnreport.inspector.experiments import run_experiments
from nnreport.inspector.feeding.inputs import sample_from_specs


def mixing_of(model: nn.Module, *specs: str):
    torch.manual_seed(0)
    sample = sample_from_specs(list(specs), model, 0)
    found = run_experiments(model, sample, None, None, None, 20.0)
    assert isinstance(found, Experiments)
    assert found.mixing is not None, found.skipped
    return found.mixing


class Attention(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        y, _ = self.attention(x, x, x)
        return self.head(y.mean(1))


class Encoder(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(x)[:, 0])


class Positions(nn.Module):
    """Tags every token; the positions along axis 1 say that axis 1 is no batch."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, 12, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x + self.places))


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool, bidirectional: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=batch_first, bidirectional=bidirectional)
        self.head = nn.Linear(16 if bidirectional else 8, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class HiddenView(nn.Module):
    """The last hidden state of both directions put together by ``view``: rows of two samples meet."""

    def __init__(self, right: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(6, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 3)
        self.right = right

    def forward(self, x):
        h = self.gru(x)[1]
        h = h.transpose(0, 1).reshape(x.shape[0], -1) if self.right else h.view(x.shape[0], -1)
        return self.head(h)


class SoftmaxOverBatch(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.head = nn.Linear(4, 3)
        self.dim = dim

    def forward(self, x):
        return self.head(torch.softmax(self.fc(x), self.dim))


class Centred(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.dim = dim

    def forward(self, x):
        y = self.fc(x)
        return y - 0.01 * y.mean(self.dim, keepdim=True)


class FirstSample(nn.Module):
    """Only one sample in the batch sees another: an index where a slice was meant."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        y = self.fc(x)
        return torch.cat([y[:1] + 0.01 * y[1:2], y[1:]])


class ZeroHead(nn.Module):
    """Starts at zero, as the heads of diffusion models do; what happens before it shows only once the head is moved."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = SoftmaxOverBatch(dim)
        self.norm = nn.LayerNorm(3)
        self.head = nn.Linear(3, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x):
        return self.head(self.norm(self.body(x)))


SICK = [
    (Attention(False), ["4,10,8"], "attention", "multi_head_attention_forward"),
    (Encoder(False), ["4,10,8"], "encoder", None),
    (Positions(False), ["4,12,8"], "layer", None),
    (Recurrent(False), ["4,10,6"], "lstm", "lstm"),
    (HiddenView(False), ["4,10,6"], "", "view"),
    (SoftmaxOverBatch(0), ["4,6"], "", "softmax"),
    (Centred(0), ["4,6"], "", "sub"),
    (FirstSample(), ["4,6"], "", "cat"),
    (ZeroHead(0), ["4,6"], "body", "softmax"),
]


@pytest.mark.parametrize(("model", "specs", "module", "operation"), SICK, ids=lambda value: type(value).__name__)
def test_a_fault_is_seen_and_placed(model, specs, module, operation):
    mixing = mixing_of(model, *specs)
    assert mixing.reason == ""
    assert mixing.absolute > 10 * mixing.tolerance
    assert mixing.moved > 1e-3
    assert mixing.pairs
    assert all(i != j for i, j in mixing.pairs)
    assert mixing.module == module or (module and mixing.module.startswith(module + "."))
    if operation:
        assert mixing.operation == operation
        assert mixing.location is not None


def test_pairs_name_who_moves_whom():
    assert mixing_of(FirstSample(), "4,6").pairs == [[1, 0]]


class Contrastive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x, y):
        return self.a(x) @ self.b(y).T


class TimeMajor(nn.Module):
    """A language model as the documentation writes it: (L, N) tokens, (L, N, words)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 8)
        self.lstm = nn.LSTM(8, 8)
        self.head = nn.Linear(8, 30)

    def forward(self, x):
        return self.head(self.lstm(self.embed(x))[0])


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(x + torch.randn_like(x))


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.fc(x) * self.calls


class Folded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(x).reshape(-1, 4)


class Pooled(nn.Module):
    """A set: the leading axis is its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(x).mean(0)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x):
        return 0 * x[:, :4] + self.bias


HEALTHY = [
    (Attention(True), ["4,10,8"]),
    (Encoder(True), ["4,10,8"]),
    (Positions(True), ["4,12,8"]),
    (Recurrent(True, True), ["4,10,6"]),
    (HiddenView(True), ["4,10,6"]),
    (SoftmaxOverBatch(1), ["4,6"]),
    (Centred(1), ["4,6"]),
    (Convolutional(), ["2,3,9,9"]),
    (Noisy(), ["4,6"]),
    (ZeroHead(1), ["4,6"]),
]


@pytest.mark.parametrize(("model", "specs"), HEALTHY, ids=lambda value: type(value).__name__)
def test_a_healthy_net_is_not_accused(model, specs):
    mixing = mixing_of(model, *specs)
    assert mixing.reason == ""
    assert mixing.absolute == 0.0
    assert mixing.own > 0.0
    assert mixing.axis == 0


@pytest.mark.parametrize(
    ("model", "specs", "reason"),
    [
        (Contrastive(), ["4,6", "4,6"], "two axes"),
        (TimeMajor(), ["9,4:int64[0,30)"], "time-major"),
        (Folded(), ["4,5,6"], "folded"),
        (Pooled(), ["4,6"], "no axis grows"),
        (Remembers(), ["4,6"], "differ"),
        (Constant(), ["4,6"], "does not react"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_told_is_said(model, specs, reason):
    assert reason in mixing_of(model, *specs).reason


def test_inputs_without_a_common_batch():
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x, edges):
            y = self.fc(x)
            return y.index_add(0, edges[1], y[edges[0]])

    assert "no leading axis" in mixing_of(Graph(), "9,6", "2,20:int64[0,9)").reason
