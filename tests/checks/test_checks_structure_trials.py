"""What short trials show: samples that mix, inputs that do not matter, chance, batch sizes, outputs that do not differ."""

import pytest
import torch
from kit import findings_of, from_facts
from torch import nn

from nnreport.facts import Experiments, Facts, Graph, InputInfluence, Mixing

X = torch.randn(6, 8)


def trial(slug, model, *inputs, **options):
    return findings_of(slug, model, *inputs, probe=True, steps=2, budget=30, **options)


class OverBatch(nn.Module):
    """Attention over time, if ``batch_first`` is said; else over the samples."""

    def __init__(self, batch_first):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=batch_first), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


class Scrambled(nn.Module):
    def __init__(self, permute):
        super().__init__()
        self.fc, self.permute = nn.Linear(20, 3), permute

    def forward(self, x):
        x = x.transpose(0, 1)
        x = x.transpose(0, 1) if self.permute else x
        return self.fc(x.reshape(x.shape[1] if not self.permute else x.shape[0], -1))


class Nodes(nn.Module):
    """A graph network: the rows are nodes, mixed by a matrix that is given."""

    def __init__(self, nodes):
        super().__init__()
        self.register_buffer("adjacency", torch.softmax(torch.randn(nodes, nodes), 1))
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.b(torch.relu(self.adjacency @ self.a(x)))


@pytest.mark.parametrize(("model", "x"), [(OverBatch(False), torch.randn(6, 5, 8)), (Scrambled(False), torch.randn(6, 5, 4))])
def test_mixed_batch(model, x):
    (found,) = trial("mixed-batch", model, x)
    assert found.severity == "error"
    assert found.evidence["absolute"] > found.evidence["limit"]


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (OverBatch(True), torch.randn(6, 5, 8)),
        (Scrambled(True), torch.randn(6, 5, 4)),
        (nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)), X),
        (Nodes(6), X),
        (nn.GRU(8, 4), torch.randn(7, 3, 8)),
    ],
)
def test_samples_that_stay_apart(model, x):
    assert not trial("mixed-batch", model, x)


def test_a_trial_that_could_not_tell_says_nothing():
    mixing = Mixing(samples=4, absolute=1.0, tolerance=1e-6, reason="two forwards of one batch differ")
    assert not from_facts("mixed-batch", Facts(experiments=Experiments(mixing=mixing)))


class TwoInputs(nn.Module):
    def __init__(self, use):
        super().__init__()
        self.a, self.b, self.use = nn.Linear(8, 3), nn.Linear(8, 3), use

    def forward(self, x, y):
        return self.a(x) + self.b(y if self.use else x)


def test_ignored_input():
    (found,) = trial("ignored-input", TwoInputs(False), X, torch.randn(6, 8))
    assert (found.severity, found.evidence["input"]) == ("error", "y")


@pytest.mark.parametrize("second", [torch.randn(6, 8)])
def test_inputs_that_matter(second):
    assert not trial("ignored-input", TwoInputs(True), X, second)


@pytest.mark.parametrize(
    "entry",
    [
        InputInfluence(name="mask", moved=None, constant=True),
        InputInfluence(name="labels", moved=0.0),
        InputInfluence(name="noise", moved=0.4, train_only=True),
        InputInfluence(name="y", moved=0.0, gradient=True),
    ],
)
def test_inputs_of_which_nothing_can_be_said(entry):
    influence = [InputInfluence(name="x", moved=0.5, gradient=True), entry]
    assert not from_facts("ignored-input", Facts(experiments=Experiments(influence=influence)))


class Noisy(nn.Module):
    def __init__(self, always):
        super().__init__()
        self.fc, self.always = nn.Linear(8, 3), always

    def forward(self, x):
        if self.always or self.training:
            x = x + torch.randn_like(x)
        return self.fc(x)


def test_nondeterministic_eval():
    (found,) = trial("nondeterministic-eval", Noisy(True), X)
    assert found.severity == "warning"
    assert found.evidence["operation"] == "randn_like"
    assert found.location.text == "x = x + torch.randn_like(x)"


@pytest.mark.parametrize("model", [Noisy(False), nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))])
def test_noise_of_training_only(model):
    assert not trial("nondeterministic-eval", model, X)


class Sized(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.fc, self.how = nn.Linear(8, 3), how

    def forward(self, x):
        y = self.fc(x)
        if self.how == "fixed":
            return y.view(6, 3, 1).sum(2)
        if self.how == "squeeze":
            y = self.fc(x.unsqueeze(1)).squeeze()
            return y - y.mean(1, keepdim=True)
        return y.view(x.size(0), 3)


@pytest.mark.parametrize(("how", "failed"), [("fixed", "1, 2, 3, 7, 12"), ("squeeze", "1")])
def test_fixed_batch_size(how, failed):
    (found,) = trial("fixed-batch-size", Sized(how), X)
    assert (found.severity, found.evidence["failed"]) == ("warning", failed)


def test_any_batch_size():
    assert not trial("fixed-batch-size", Sized("free"), X)
    assert not trial("fixed-batch-size", Nodes(6), X)


class Flat(nn.Module):
    def __init__(self, scale, zero=False):
        super().__init__()
        self.a, self.b, self.scale = nn.Linear(8, 8), nn.Linear(8, 3), scale
        if zero:
            nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)) * self.scale)


def test_constant_output():
    (found,) = trial("constant-output", Flat(0.0), X)
    assert found.severity == "warning"  # the inputs were made up
    assert found.evidence["spread"] < found.evidence["limit"]


@pytest.mark.parametrize("model", [Flat(1.0), Flat(1.0, zero=True)])
def test_outputs_that_differ_or_start_at_zero(model):
    assert not trial("constant-output", model, X)


def test_a_net_that_learns_is_not_constant():
    trials = Experiments(output_spread=5e-5, output_spread_train=5e-5, baseline_loss=2.3)
    from nnreport.facts import Probe

    falling = Probe(steps=20, done=20, losses=[2.3 - 0.1 * i for i in range(21)])
    assert not from_facts("constant-output", Facts(experiments=trials, probe=falling, graph=Graph()))
    stuck = Probe(steps=20, done=20, losses=[2.3] * 21)
    assert from_facts("constant-output", Facts(experiments=trials, probe=stuck, graph=Graph()))


# --------------------------------------------------------------------------------------------------------------- relu-output


class Head(nn.Module):
    def __init__(self, relu):
        super().__init__()
        self.fc, self.relu = nn.Linear(8, 3), relu

    def forward(self, x):
        x = self.fc(x)
        return torch.relu(x) if self.relu else x


def signed():
    for _ in range(4):
        yield torch.randn(6, 8), torch.randn(6, 3)


def positive():
    for _ in range(4):
        yield torch.randn(6, 8), torch.rand(6, 3)


def test_relu_output():
    (found,) = trial("relu-output", Head(True), X, loss="cross_entropy")
    assert found.evidence["activation"] == "relu"
    (found,) = trial("relu-output", Head(True), X, loss="mse_loss", data=signed)
    assert found.evidence["lowest_target"] < 0


def test_outputs_that_may_be_relu():
    assert not trial("relu-output", Head(False), X, loss="cross_entropy")
    assert not trial("relu-output", Head(True), X, loss="mse_loss", data=positive)
    assert not trial("relu-output", Head(True), X)
