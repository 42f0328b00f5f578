"""What the recorded graph shows: layers in a row, activations of activations, shared norms, cuts, softmaxes."""

import pytest
import torch
import torch.nn.functional as F
from kit import findings_of
from torch import nn

X = torch.randn(4, 12)
IMAGE = torch.randn(2, 3, 16, 16)


class Fn(nn.Module):
    """A model whose forward is a function of its layers and inputs."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *inputs):
        return self.function(self, *inputs)


# ---------------------------------------------------------------------------------------------------------- stacked-linear


def frozen(layer):
    return layer.requires_grad_(False)


SICK_STACKS = {
    "linear": (nn.Sequential(nn.Linear(12, 32), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)), X, "0"),
    "dropout between": (
        nn.Sequential(nn.Linear(12, 32), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)),
        X,
        "0",
    ),
    "convolutions": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 3)), IMAGE, "0"),
    "norm between": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 3)),
        IMAGE,
        "0",
    ),
    "flattened": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 14 * 14, 10)), IMAGE, "0"),
    "functional": (Fn(lambda m, x: m.b(m.a(x).view(4, -1)), a=nn.Linear(12, 24), b=nn.Linear(24, 24)), X, "a"),
}
HEALTHY_STACKS = {
    "low rank": (nn.Sequential(nn.Linear(12, 4, bias=False), nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 2)), X),
    "autoencoder": (nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 2), nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 12)), X),
    "separable": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1)), IMAGE),
    "factored": (nn.Sequential(nn.Conv2d(3, 8, (1, 5)), nn.Conv2d(8, 16, (5, 1))), IMAGE),
    "pixel shuffle": (nn.Sequential(nn.Conv2d(3, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 8, 3)), IMAGE),
    "frozen": (nn.Sequential(frozen(nn.Linear(12, 32)), nn.Linear(32, 16)), X),
    "layer norm": (nn.Sequential(nn.Linear(12, 32), nn.LayerNorm(32), nn.Linear(32, 16)), X),
    "activation": (nn.Sequential(nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 16)), X),
    "up-convolution": (nn.Sequential(nn.ConvTranspose2d(3, 8, 2, 2), nn.Conv2d(8, 16, 3)), IMAGE),
    "lora": (Fn(lambda m, x: m.w(x) + m.b(m.a(x)), w=nn.Linear(12, 12), a=nn.Linear(12, 2), b=nn.Linear(2, 12)), X),
    "adapter sum": (Fn(lambda m, x: m.b(m.a(x) + x), a=nn.Linear(12, 12), b=nn.Linear(12, 24)), X),
    "two readers": (Fn(lambda m, x: (lambda h: m.b(h) * torch.sigmoid(h))(m.a(x)), a=nn.Linear(12, 24), b=nn.Linear(24, 24)), X),
    "attention": (nn.TransformerEncoderLayer(12, 2, 24, batch_first=True), torch.randn(2, 5, 12)),
    "recurrent": (Fn(lambda m, x: m.a(torch.tanh(m.a(x))), a=nn.Linear(12, 12)), X),
    "value and output": (
        Fn(lambda m, x: m.o(torch.softmax(x @ x.mT, -1) @ m.v(x)), v=nn.Linear(12, 12), o=nn.Linear(12, 12)),
        torch.randn(2, 5, 12),
    ),
}


@pytest.mark.parametrize("name", SICK_STACKS)
def test_stacked_linear(name):
    model, x, first = SICK_STACKS[name]
    (found,) = findings_of("stacked-linear", model, x)
    assert found.module == first
    assert found.evidence["maps"] == 2


@pytest.mark.parametrize("name", HEALTHY_STACKS)
def test_linear_maps_that_are_meant(name):
    assert not findings_of("stacked-linear", *HEALTHY_STACKS[name])


def test_equal_blocks_are_one_finding():
    def block():
        return nn.Sequential(nn.Linear(12, 24), nn.Linear(24, 12), nn.ReLU())

    (found,) = findings_of("stacked-linear", nn.Sequential(block(), block(), block()), X)
    assert found.evidence["blocks"] == 3
    assert found.modules == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]


# ---------------------------------------------------------------------------------------------------- redundant-activation


@pytest.mark.parametrize(
    "tail",
    [
        [nn.ReLU(), nn.ReLU()],
        [nn.Softmax(-1), nn.Softmax(-1)],
        [nn.ReLU(), nn.Dropout(0.1), nn.Sigmoid()],
        [nn.Softmax(-1), nn.Sigmoid()],
        [nn.ReLU(), nn.Softmax(-1)],
    ],
)
def test_activation_of_an_activation(tail):
    (found,) = findings_of("redundant-activation", nn.Sequential(nn.Linear(12, 6), *tail), X)
    assert found.severity == "warning"


def gate(m, x):
    return x * torch.sigmoid(m.up(torch.relu(m.down(x))))


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2), nn.Sigmoid()),
        nn.Sequential(nn.Linear(12, 6), nn.Tanh(), nn.Softmax(-1)),
        Fn(gate, down=nn.Linear(12, 3), up=nn.Linear(3, 12)),
        Fn(lambda m, x: torch.softmax(torch.relu(m.e @ m.e.T), 1) @ x, e=nn.Parameter(torch.randn(4, 3))),
        Fn(lambda m, x: torch.relu(torch.relu(m.a(x)) + x), a=nn.Linear(12, 12)),
    ],
)
def test_activations_that_are_meant(model):
    assert not findings_of("redundant-activation", model, X)


# ---------------------------------------------------------------------------------------------- norms and what stands before


def test_bias_before_norm():
    (found,) = findings_of(
        "bias-before-norm", nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)), IMAGE
    )
    assert (found.severity, found.modules, found.evidence["parameters"]) == ("note", ["0"], 8)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)),
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8)),
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)),
    ],
)
def test_a_bias_that_counts(model):
    assert not findings_of("bias-before-norm", model, IMAGE)


def shared_norm(m, x):
    return m.bn(m.c2(torch.relu(m.bn(m.c1(x)))))


def siamese(m, x):
    return torch.relu(m.bn(m.c1(x))) - torch.relu(m.bn(m.c1(x.flip(-1))))


def test_reused_batchnorm():
    model = Fn(shared_norm, c1=nn.Conv2d(3, 3, 3), c2=nn.Conv2d(3, 3, 3), bn=nn.BatchNorm2d(3))
    (found,) = findings_of("reused-batchnorm", model, IMAGE)
    assert (found.module, found.evidence["calls"]) == ("bn", 2)


def test_a_shared_trunk_may_share_its_norm():
    assert not findings_of("reused-batchnorm", Fn(siamese, c1=nn.Conv2d(3, 3, 3), bn=nn.BatchNorm2d(3)), IMAGE)


def test_a_shared_relu_is_no_matter():
    model = Fn(lambda m, x: m.act(m.b(m.act(m.a(x)))), a=nn.Linear(12, 8), b=nn.Linear(8, 2), act=nn.ReLU())
    assert not findings_of("reused-batchnorm", model, X)


# ------------------------------------------------------------------------------------------------------------------ cuts


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(12, 8), nn.Linear(8, 2)

    def forward(self, x):
        h = torch.relu(self.a(x))
        h = h.detach()
        return self.b(h)


class NoGrad(Detached):
    def forward(self, x):
        with torch.no_grad():
            h = torch.relu(self.a(x))
        return self.b(h)


class StraightThrough(Detached):
    def forward(self, x):
        h = torch.sigmoid(self.a(x))
        return self.b(h + (h.round() - h).detach())


class Rounded(Detached):
    def forward(self, x):
        return self.b(torch.round(4 * torch.sigmoid(self.a(x))))


class Gated(Detached):
    """Half of the signal is stopped on purpose; the other half carries the gradient."""

    def forward(self, x):
        h = self.a(x)
        return self.b(h / h.detach().norm(dim=1, keepdim=True))


def test_graph_cut_names_the_operation_and_its_line():
    (found,) = findings_of("graph-cut", Detached(), X)
    assert found.severity == "error"
    assert found.location.text == "h = h.detach()"
    assert found.evidence["cut_off"] == 2
    (source,) = findings_of("detach-in-forward", Detached(), X)
    assert source.location.line == found.location.line


def test_no_grad_over_trainable_layers_is_a_warning():
    (found,) = findings_of("graph-cut", NoGrad(), X)
    assert found.severity == "warning"


@pytest.mark.parametrize("cls", [StraightThrough, Gated])
def test_gradients_that_pass(cls):
    assert not findings_of("graph-cut", cls(), X)
    assert not findings_of("detach-in-forward", cls(), X)


def test_frozen_before_a_cut_is_meant():
    model = NoGrad()
    model.a.requires_grad_(False)
    assert not findings_of("graph-cut", model, X)
    assert not findings_of("detach-in-forward", model, X)


# ------------------------------------------------------------------------------------------------------------- softmaxes


class Pooling(nn.Module):
    """Attention pooling over time, with the softmax over axis ``dim`` of (batch, time, 1)."""

    def __init__(self, dim):
        super().__init__()
        self.score, self.head, self.dim = nn.Linear(12, 1), nn.Linear(12, 3), dim

    def forward(self, x):
        weights = F.softmax(self.score(x), dim=self.dim)
        return self.head((weights * x).sum(1))


def test_width_one_softmax():
    (found,) = findings_of("width-one-softmax", nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1), nn.Softmax(dim=1)), X)
    assert (found.severity, found.evidence["axis"]) == ("error", 1)
    assert findings_of("width-one-softmax", Pooling(-1), torch.randn(4, 5, 12))


def single_key(m, x):
    return torch.softmax(m.q(x) @ m.k(x).mT, -1) @ m.v(x)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (Pooling(1), torch.randn(4, 5, 12)),
        (Pooling(1), torch.randn(4, 1, 12)),
        (Fn(single_key, q=nn.Linear(12, 6), k=nn.Linear(12, 6), v=nn.Linear(12, 6)), torch.randn(4, 1, 12)),
    ],
)
def test_a_softmax_over_what_the_input_makes_short(model, x):
    assert not findings_of("width-one-softmax", model, x)


def test_softmax_over_the_batch():
    (found,) = findings_of("wrong-softmax-dim", nn.Sequential(nn.Linear(12, 5), nn.Softmax(dim=0)), X)
    assert (found.severity, found.evidence["batch_axis"]) == ("error", True)


@pytest.mark.filterwarnings("ignore:Implicit dimension")
def test_softmax_without_dim():
    (found,) = findings_of("wrong-softmax-dim", Fn(lambda m, x: F.softmax(m.a(x)), a=nn.Linear(12, 5)), X)
    assert (found.severity, found.evidence["implied"], found.evidence["axis"]) == ("warning", True, 1)
    (found,) = findings_of("wrong-softmax-dim", Fn(lambda m, x: F.softmax(m.a(x)), a=nn.Linear(12, 5)), torch.randn(4, 3, 12))
    assert (found.severity, found.evidence["axis"]) == ("error", 0)


def contrast(m, x):
    z = F.normalize(m.a(x), dim=1)
    return F.log_softmax(z @ z.T, dim=0)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Sequential(nn.Linear(12, 5), nn.Softmax(dim=-1)), X),
        (Fn(contrast, a=nn.Linear(12, 5)), X),
        (Fn(lambda m, x: (torch.softmax(m.s(x), 0) * x).sum(0), s=nn.Linear(12, 1)), torch.randn(7, 4, 12)),
    ],
)
def test_softmax_over_the_right_axis(model, x):
    assert not findings_of("wrong-softmax-dim", model, x)


# ------------------------------------------------------------------------------------------------------ spatial-collapse


def test_spatial_collapse():
    layers = [
        nn.Conv2d(3, 8, 3, 4, 1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, 4, 1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Flatten(),
    ]
    (found,) = findings_of("spatial-collapse", nn.Sequential(*layers, nn.Linear(8, 2)), IMAGE)
    assert (found.module, found.evidence["map"]) == ("4", "1×1")
    assert found.evidence["used"] == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1)), IMAGE),
        (nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)), IMAGE),
        (nn.Conv1d(12, 4, 3, padding=1), torch.randn(2, 12, 1)),
    ],
)
def test_maps_that_are_large_enough(model, x):
    assert not findings_of("spatial-collapse", model, x)


# ---------------------------------------------------------------------------------------------------------- unused-output


class Lost(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm, self.kept = nn.Linear(12, 12), nn.Linear(12, 2), nn.LayerNorm(12), None

    def forward(self, x):
        x = self.a(x)
        self.norm(x)
        return self.b(x)


class LostActivation(Lost):
    def forward(self, x):
        x = self.a(x)
        F.relu(x)
        return self.b(x)


class LostName(Lost):
    def forward(self, x):
        h = self.norm(self.a(x))  # noqa: F841
        return self.b(x)


class Kept(Lost):
    def forward(self, x):
        x = self.a(x)
        self.kept = self.norm(x)
        print_scale = x.abs().mean()  # noqa: F841
        return self.b(x)


class InPlace(Lost):
    def forward(self, x):
        x = self.norm(self.a(x))
        F.relu(x, inplace=True)
        x.clamp_(max=6)
        return self.b(x)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.pooler = nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, x):
        h = torch.relu(self.a(x))
        return h, torch.tanh(self.pooler(h.mean(1)))


class TakesOne(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = Pair(), nn.Linear(12, 2)

    def forward(self, x):
        hidden, _ = self.backbone(x)
        return self.head(hidden[:, 0])


@pytest.mark.parametrize(
    ("cls", "line"), [(Lost, "self.norm(x)"), (LostActivation, "F.relu(x)"), (LostName, "h = self.norm(self.a(x))")]
)
def test_unused_output(cls, line):
    (found,) = findings_of("unused-output", cls(), X)
    assert found.location.text.startswith(line)


@pytest.mark.parametrize(("model", "x"), [(Kept(), X), (InPlace(), X), (TakesOne(), torch.randn(3, 5, 12)), (nn.LSTM(12, 4), X)])
def test_results_that_are_used_or_kept(model, x):
    assert not findings_of("unused-output", model, x)


def test_many_layers_one_line_each_is_the_limit():
    model = nn.Sequential(*[nn.Linear(12, 12) for _ in range(5)])
    (found,) = findings_of("stacked-linear", model, X)
    assert found.evidence["maps"] == 5
