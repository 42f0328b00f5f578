"""--loss: names, the user's own callables, inference from outputs and targets, and the look through a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from probe_helpers import Batches, Classifier, noise, task_of, tokens
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.facts import Location
from nnreport.inspector.training.losses import loss_name
from nnreport.inspector.training.outputs import prediction, sums_to_one


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cross_entropy", "cross_entropy"),
        ("CrossEntropyLoss", "cross_entropy"),
        ("nn.CrossEntropyLoss", "cross_entropy"),
        ("ce", "cross_entropy"),
        ("F.mse_loss", "mse_loss"),
        ("MSE", "mse_loss"),
        ("l1", "l1_loss"),
        ("nll_loss", "nll_loss"),
        ("bce", "binary_cross_entropy"),
        ("BCELoss", "binary_cross_entropy"),
        ("bce_with_logits", "binary_cross_entropy_with_logits"),
        ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
        ("torch.nn.functional.huber_loss", "huber_loss"),
        ("KLDivLoss", "kl_div"),
        ("SmoothL1Loss", "smooth_l1_loss"),
    ],
)
def test_names_of_losses(text: str, name: str) -> None:
    assert loss_name(text) == name


def test_unknown_name_suggests() -> None:
    with pytest.raises(UsageError, match="cross_entropy") as error:
        loss_name("cross_entropi")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="FILE:CALLABLE"):
        loss_name("gibberish")
    with pytest.raises(UsageError, match="more than"):
        loss_name("ctc_loss")


@pytest.mark.parametrize(
    "name", ["cross_entropy", "nll_loss", "mse", "l1", "bce_with_logits", "kl_div", "multi_margin_loss", "multilabel_margin_loss",
             "multilabel_soft_margin_loss", "soft_margin_loss", "hinge_embedding_loss", "poisson_nll_loss", "huber", "smooth_l1"]
)  # fmt: skip
def test_made_up_targets_fit_every_named_loss(name: str) -> None:
    task = task_of(Classifier(), noise(16, 20), loss=name)
    model = Classifier().train()
    loss = task.step(model, task.new_optimizer(model), task.data.first)
    assert torch.isfinite(loss)
    assert task.loss_info.user
    assert "made up" in task.loss_info.reason
    assert not task.failures


class Sequence(nn.Module):
    def __init__(self, width: int, channels_first: bool = False) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(48, 16), nn.Linear(16, width)
        self.channels_first = channels_first

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(self.table(x))
        return y.transpose(1, 2) if self.channels_first else y


@pytest.mark.parametrize(
    ("model", "data", "name", "kind"),
    [
        (Classifier(), noise(16, 20), "cross_entropy", "cross_entropy"),
        (nn.Sequential(Classifier(), nn.LogSoftmax(1)), noise(16, 20), "nll_loss", "nll"),
        (nn.Sequential(Classifier(), nn.Softmax(1)), noise(16, 20), "negative log-probability", "custom"),
        (nn.Sequential(Classifier(20, 1), nn.Sigmoid()), noise(16, 20), "binary_cross_entropy", "bce"),
        (Classifier(20, 1), noise(16, 20), "mse_loss", "mse"),
        (nn.Sequential(Classifier(20, 1), nn.Flatten(0)), noise(16, 20), "mse_loss", "mse"),
        (Classifier(20, 20), noise(16, 20), "mse_loss", "mse"),
        (Sequence(48), tokens(48, 8, 12), "cross_entropy", "cross_entropy"),
        (Sequence(5), tokens(48, 8, 12), "cross_entropy", "cross_entropy"),
        (nn.Conv2d(3, 4, 3, padding=1), noise(4, 3, 16, 16), "mse_loss", "mse"),
        (nn.Sequential(nn.Linear(20, 64), nn.Tanh()), noise(16, 20), "mean square to seeded numbers", "surrogate"),
        (nn.Linear(20, 1500), noise(16, 20), "mean square to seeded numbers", "surrogate"),
    ],
)
def test_loss_is_inferred(model: nn.Module, data: Any, name: str, kind: str) -> None:
    task = task_of(model, data)
    info = task.loss_info
    assert (info.name, info.kind, info.source, info.user) == (name, kind, "inferred", False)
    assert info.reason
    assert "\n" not in info.reason
    loss, _ = task.loss(model, task.data.first)
    assert loss.dim() == 0
    assert loss.requires_grad


def test_channels_first_sequence_keeps_torchs_layout() -> None:
    """(N, C, L) of a user's transposing head: the classes are on axis 1, as the integer input tells."""
    task = task_of(Sequence(7, channels_first=True), tokens(48, 8, 12), loss="cross_entropy")
    assert task.data.first.target.shape == (8, 12)
    assert int(task.data.first.target.max()) == 6


def test_token_labels_are_a_function_of_the_token() -> None:
    task = task_of(Sequence(48), tokens(48, 8, 12))
    batch = task.data.first
    for token in batch.args[0].unique():
        assert len(batch.target[batch.args[0] == token].unique()) == 1


def test_class_labels_are_balanced_and_fixed() -> None:
    task = task_of(Classifier(), noise(20, 20))
    target = task.data.first.target
    assert target.bincount().tolist() == [4] * 5
    assert torch.equal(target, task.labelled(task.data.raw.first).target)
    assert task.data.info.target is not None
    assert task.data.info.target.classes == {str(i): 4 for i in range(5)}


def test_pixel_labels_are_learnable() -> None:
    """Classes of pixels follow the input at the same place, so that one convolution can fit them."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 4, 1).train()
    task = task_of(model, noise(4, 3, 16, 16), loss="cross_entropy", optimizer="adam:lr=0.05")
    optimizer = task.new_optimizer(model)
    losses = [float(task.step(model, optimizer, task.data.first)) for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]


def test_targets_of_the_user_decide() -> None:
    def classes(x: Tensor) -> Tensor:
        return torch.arange(len(x)) % 5

    assert task_of(Classifier(), Batches(noise(16, 20), classes)).loss_info.name == "cross_entropy"
    assert task_of(Classifier(20, 1), Batches(noise(16, 20), lambda x: (x[:, 0] > 0).float())).loss_info.kind == "bce_with_logits"
    assert task_of(Classifier(20, 1), Batches(noise(16, 20), lambda x: x[:, 0])).loss_info.kind == "mse"
    assert task_of(nn.Sequential(Classifier(), nn.LogSoftmax(1)), Batches(noise(16, 20), classes)).loss_info.kind == "nll"


class Autoencoder(nn.Module):
    """A variational one: three outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(20, 8), nn.Linear(4, 20)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, logarithm = self.encode(x).chunk(2, 1)
        return self.decode(mean + torch.randn_like(mean) * (logarithm / 2).exp()), mean, logarithm


def elbo(output: Any, target: Tensor) -> Tensor:
    image, mean, logarithm = output
    return F.mse_loss(image, target) - 0.5 * (1 + logarithm - mean.pow(2) - logarithm.exp()).mean()


def test_users_function_gets_the_whole_output() -> None:
    task = task_of(Autoencoder(), noise(16, 20), loss=elbo)
    info = task.loss_info
    assert (info.name, info.user, info.functional, info.kind) == ("elbo", True, ["mse_loss"], "mse")
    assert info.location is not None
    assert info.location.path.endswith("test_inspector_losses.py")
    assert torch.equal(task.data.first.target, task.data.first.args[0]), "the image has the input's shape, so that is the target"
    assert task.stochastic


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(5))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, self.weight, reduction="none")


def test_users_module_class_and_loss_per_element() -> None:
    task = task_of(Classifier(), noise(16, 20), loss=Weighted)
    assert task.loss_info.kind == "cross_entropy"
    assert task.loss_info.per_element
    assert task.loss(Classifier(), task.data.first)[0].dim() == 0


class NeedsArguments(nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()


def test_a_loss_class_with_arguments_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="cannot be made without arguments"):
        task_of(Classifier(), noise(16, 20), loss=NeedsArguments)


def hand_made_mse(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def test_a_silent_broadcast_is_seen() -> None:
    data = Batches(noise(16, 20), lambda x: x[:, 0])
    info = task_of(Classifier(20, 1), data, loss=hand_made_mse).loss_info
    assert info.broadcast == [[16, 1], [16]]
    assert info.kind == "mse"
    assert task_of(Classifier(20, 1), data, loss="mse").loss_info.broadcast == [[16, 1], [16]]
    good = Batches(noise(16, 20), lambda x: x[:, :1])
    assert task_of(Classifier(20, 1), good, loss=hand_made_mse).loss_info.broadcast == []


def pairs(output: Tensor, target: Tensor) -> Tensor:
    same = (target[:, None] == target[None, :]).float()
    near = output @ output.T
    anchors = output.unsqueeze(1) - target.float().view(-1, 1).unsqueeze(0)
    return F.binary_cross_entropy_with_logits(near, same) + anchors.abs().mean()


def test_a_table_of_pairs_on_purpose_is_no_broadcast() -> None:
    data = Batches(noise(16, 20), lambda x: torch.arange(16) % 5)
    assert task_of(Classifier(), data, loss=pairs).loss_info.broadcast == []


def scaled(output: Tensor, target: Tensor) -> Tensor:
    return (output - target.mean()).pow(2).mean() + output.mean() * 0.1


def test_scalars_do_not_count_as_broadcast() -> None:
    assert task_of(Classifier(), Batches(noise(16, 20), lambda x: x[:, :5]), loss=scaled).loss_info.broadcast == []


@dataclass
class Heads:
    boxes: Tensor
    logits: Tensor


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.classes, self.boxes = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Heads:
        y = torch.relu(self.trunk(x))
        return Heads(self.boxes(y), self.classes(y))


def test_every_head_is_trained_by_an_inferred_loss() -> None:
    task = task_of(Detector(), noise(4, 3, 16, 16))
    assert task.objective.extras == ["boxes"]
    assert "boxes" in task.loss_info.reason
    model = Detector()
    loss, output = task.loss(model, task.data.first)
    assert prediction(output)[0] == "logits"  # type: ignore[index]
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


class Gaussian(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(20, 6)

    def forward(self, x: Tensor) -> torch.distributions.Normal:
        mean, scale = self.head(x).chunk(2, 1)
        return torch.distributions.Normal(mean, F.softplus(scale) + 0.1)


def test_distribution_gives_its_likelihood() -> None:
    model = Gaussian()
    task = task_of(model, noise(16, 20))
    assert task.loss_info.name == "negative log-likelihood"
    first, second = (task.loss(model, task.data.first)[0] for _ in range(2))
    assert torch.equal(first, second), "the values to be likely are drawn once"
    first.backward()
    assert model.head.weight.grad is not None


class GivesLoss(nn.Module):
    """As in nanoGPT: forward(idx, targets=None) -> (logits, loss)."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(48, 16), nn.Linear(16, 48)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        logits = self.head(self.table(idx))
        return logits, None if targets is None else F.cross_entropy(logits.view(-1, 48), targets.view(-1))


def test_model_that_computes_its_loss_from_labels() -> None:
    model = GivesLoss()
    task = task_of(model, tokens(48, 8, 12))
    assert (task.loss_info.name, task.loss_info.kind, task.loss_info.functional) == ("model", "cross_entropy", ["cross_entropy"])
    assert "targets" in task.data.first.kwargs
    loss, output = task.loss(model, task.data.first)
    assert loss is output[1] or torch.equal(loss, output[1])
    with torch.no_grad():
        assert torch.isfinite(task.loss(model, task.data.first)[0])
    assert "targets" in task.data.fresh(3).kwargs


def test_hint_of_the_file_is_taken_where_it_fits() -> None:
    place = Location(path="net.py", line=7)
    hints = {"loss": "nll_loss", "loss_location": place, "optimizer": "sgd:lr=0.1", "optimizer_location": place}
    task = task_of(Classifier(), noise(16, 20), hints)
    assert (task.loss_info.name, task.loss_info.source, task.loss_info.location) == ("nll_loss", "file", place)
    assert (task.optimizer_info.name, task.optimizer_info.source) == ("SGD", "file")
    image = task_of(nn.Conv2d(3, 3, 3), noise(4, 3, 16, 16), {"loss": "binary_cross_entropy"})
    assert image.loss_info.source == "inferred", "unbounded pixels are no probabilities"
    assert task_of(Classifier(), noise(16, 20), {"optimizer": "nonsense"}).optimizer_info.source == "default"


def test_given_beats_hint() -> None:
    task = task_of(Classifier(), noise(16, 20), {"loss": "mse_loss", "optimizer": "sgd"}, loss="cross_entropy", optimizer="adamw")
    assert task.loss_info.name == "cross_entropy"
    assert task.optimizer_info.name == "AdamW"


def test_sums_to_one() -> None:
    p = torch.randn(6, 4, 5).softmax(1)
    assert sums_to_one(p) == 1
    assert sums_to_one(p.log(), logarithmic=True) == 1
    assert sums_to_one(torch.randn(6, 4)) is None
    assert sums_to_one(torch.rand(6, 4)) is None
    assert sums_to_one(torch.randn(6, 1).softmax(1)) is None
    assert sums_to_one(torch.randn(6, 4).softmax(0)) == 0
