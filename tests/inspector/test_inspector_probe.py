"""The probe as a whole: faithful to a plain loop, the same twice, honest where it cannot go on."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
import torch
import torch.nn.functional as F
from probe_helpers import Batches, Classifier, noise, probe_of, task_of, tokens
from torch import Tensor, nn

from nnreport.facts import Probe
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.probe import run_probe


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.2), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(F.relu(self.norm(self.conv(x))).mean((2, 3))))


def stripped(probe: Probe) -> bytes:
    """All facts but the seconds."""
    probe.seconds = []
    return msgspec.json.encode(probe)


def test_losses_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    model = Convolutional()
    probe, task = probe_of(model, noise(16, 3, 8, 8), steps=14)
    twin = copy.deepcopy(model).train()
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-3)
    batch = task.data.first
    expected = []
    with seeded(0):
        for _ in range(14):
            optimizer.zero_grad()
            loss = F.cross_entropy(twin(*batch.args), batch.target)
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
        expected.append(F.cross_entropy(twin(*batch.args), batch.target).item())
    assert probe.losses == expected
    assert probe.done == 14
    assert len(probe.gradient_norms) == 14
    assert len(probe.seconds) == 14
    assert probe.observed[-1] == 13
    assert len(probe.eval_losses) == 2
    assert probe.batch == 16
    assert probe.stochastic


def test_same_seed_same_facts() -> None:
    model = Convolutional()
    first, second = (stripped(probe_of(model, noise(16, 3, 8, 8), steps=14)[0]) for _ in range(2))
    assert first == second
    other = stripped(probe_of(model, noise(16, 3, 8, 8), steps=14, seed=1)[0])
    assert other != first
    assert msgspec.json.decode(first, type=Probe).losses


def test_model_and_generators_are_untouched() -> None:
    model = Convolutional().eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    probe_of(model, Batches(noise(16, 3, 8, 8)), steps=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m.training for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_learning_goes_down_and_update_is_recorded() -> None:
    probe, _ = probe_of(Classifier(), noise(16, 20), steps=30, optimizer="adam:lr=0.01")
    assert float(probe.losses[-1]) < 0.5 * float(probe.losses[0])
    assert len(probe.losses) == 31
    assert all(len(s.update) == len(probe.observed) for s in probe.parameters)
    assert all(len(a.std) == len(probe.observed) for a in probe.activations)


def test_closures_of_lbfgs() -> None:
    probe, _ = probe_of(Classifier(), noise(16, 20), steps=4, optimizer="lbfgs:max_iter=5")
    assert probe.done == 4
    assert len(probe.losses) == 5
    assert len(probe.gradient_norms) == 4
    assert float(probe.losses[-1]) < float(probe.losses[0])
    assert all(len(a.std) == 4 for a in probe.activations)


def test_output_of_a_softmax() -> None:
    probe, _ = probe_of(nn.Sequential(Classifier(), nn.Softmax(1)), noise(16, 20), steps=2, loss="cross_entropy")
    assert probe.output is not None
    assert (probe.output.activation, probe.output.sums_to_one, probe.output.log_sums_to_one) == ("softmax", 1, None)
    assert probe.output.spread is not None
    assert probe.output.spread > 0
    constant = nn.Sequential(Classifier(), nn.Linear(5, 5))
    nn.init.zeros_(constant[1].weight)
    info = probe_of(constant, noise(16, 20), steps=1)[0].output
    assert info is not None
    assert info.spread == 0.0


def test_no_trainable_parameter() -> None:
    probe, task = probe_of(Classifier().requires_grad_(False), noise(16, 20))
    assert probe.done == 0
    assert "no trainable parameter" in probe.reason
    assert not task.failures
    assert "no trainable parameter" in probe_of(nn.Flatten(), noise(16, 20))[0].reason


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).detach()


def test_backward_that_fails() -> None:
    probe, task = probe_of(Detached(), noise(16, 20), loss="cross_entropy")
    assert [f.phase for f in task.failures] == ["backward"]
    assert "detach" in task.failures[0].hint
    assert probe.losses == []
    assert "backward" in probe.reason
    assert probe.output is not None


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(self.fc(x))
        y += 1
        return y


def test_in_place_change_is_a_backward_failure() -> None:
    _, task = probe_of(InPlace(), noise(16, 20), loss="mse")
    assert task.failures[0].phase == "backward"
    assert "in place" in task.failures[0].hint


class FailsLater(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)
        self.trained = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self.trained += 1
            if self.trained > 3:
                raise RuntimeError("out of luck")
        return self.fc(x)


def test_forward_that_fails_later_keeps_what_was_gathered() -> None:
    probe, task = probe_of(FailsLater(), noise(16, 20))
    assert probe.done == 3
    assert len(probe.losses) == 3
    failure = task.failures[0]
    assert (failure.phase, failure.module, failure.message) == ("forward", "", "out of luck")
    assert failure.location is not None
    assert failure.location.text.startswith("raise RuntimeError")
    assert "step 3" in probe.reason


def test_labels_out_of_range() -> None:
    data = Batches(noise(16, 20), lambda x: torch.arange(16) % 5 + 1)
    probe, task = probe_of(Classifier(), data, loss="cross_entropy")
    assert task.failures[0].phase == "loss"
    assert "class indices" in task.failures[0].hint
    assert [i.shape for i in task.failures[0].inputs] == [[16, 20], [16]]
    assert probe.done == 0
    assert probe.output is not None


def test_loss_that_is_no_tensor() -> None:
    probe, task = probe_of(Classifier(), noise(16, 20), loss=lambda output, target: output.mean().item())
    assert task.failures[0].phase == "loss"
    assert "float" in task.failures[0].message
    assert probe.reason


class DoesNotLikeModes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        from torch.overrides import _get_current_function_mode

        if _get_current_function_mode() is not None:
            raise RuntimeError("no modes here")
        return torch.relu(self.fc(x))


def test_model_that_refuses_the_mode_runs_without() -> None:
    probe, task = probe_of(DoesNotLikeModes(), noise(16, 20), steps=4)
    assert probe.done == 4
    assert not task.failures
    assert [a.module for a in probe.activations] == ["fc"]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.lstm, self.head = nn.Embedding(30, 12), nn.LSTM(12, 16, batch_first=True), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.table(x))[0][:, -1])


def test_lstm() -> None:
    probe, _ = probe_of(Recurrent(), tokens(30, 16, 10), steps=4)
    assert [a.kind for a in probe.activations] == ["Embedding", "LSTM", "Linear"]
    assert probe.loss is not None
    assert probe.loss.kind == "cross_entropy"
    assert not any(s.none_steps for s in probe.parameters)


def test_half_precision_on_the_cpu() -> None:
    probe, _ = probe_of(Classifier().bfloat16(), lambda: torch.randn(16, 20).bfloat16(), steps=4)
    assert probe.done == 4 or probe.reason
    assert all(isinstance(v, float) for v in probe.losses)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(self.fc(x))


class Indices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).argmax(1)


def test_complex_and_integer_outputs() -> None:
    probe, _ = probe_of(Complex(), noise(16, 20), steps=3)
    assert probe.done == 3
    assert probe.loss is not None
    assert probe.loss.kind == "surrogate"
    probe, task = probe_of(Indices(), noise(16, 20), steps=3)
    assert probe.done == 0
    assert probe.reason
    assert not task.failures or task.failures[0].phase in ("loss", "backward")


class OwnTrain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8)), nn.Linear(8, 5)
        self.stem.requires_grad_(False)
        self.seen: list[bool] = []

    def train(self, mode: bool = True) -> OwnTrain:
        super().train(mode)
        self.stem.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        assert not self.stem[1].training
        return self.head(self.stem(x))


def test_a_train_of_the_users_own_is_called() -> None:
    probe, task = probe_of(OwnTrain(), noise(16, 20), steps=3)
    assert probe.done == 3
    assert [s.name for s in probe.parameters] == ["head.weight", "head.bias"]
    assert not task.failures


class ChangesItsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(0.5)
        return self.fc(x)


def test_input_changed_in_place_is_fresh_in_every_step() -> None:
    data = Batches(noise(16, 20))
    kept = data.first.args[0].clone()
    task = task_of(ChangesItsInput(), data)
    run_probe(ChangesItsInput(), task, 3, None)
    assert torch.equal(data.first.args[0], kept)


def test_batch_of_one_and_batch_norm() -> None:
    """A made-up batch of one cannot train batch norm; eval mode says what it can."""
    probe, task = probe_of(nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Linear(8, 5)), noise(1, 20), steps=3)
    assert (probe.mode, probe.done) == ("eval", 3)
    assert not task.failures
    data = Batches(noise(1, 20), lambda x: torch.zeros(1, dtype=torch.long))
    probe, task = probe_of(nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Linear(8, 5)), data, steps=3)
    assert task.failures[0].phase == "forward"
    assert probe.reason


def test_progress() -> None:
    seen: list[Any] = []
    task = task_of(Classifier(), noise(16, 20))
    run_probe(Classifier(), task, 3, None, lambda *a: seen.append(a))
    assert [s[:2] for s in seen] == [(0, 3), (1, 3), (2, 3)]
    assert all(isinstance(s[2], float) for s in seen)


def test_zero_steps() -> None:
    probe, _ = probe_of(Classifier(), noise(16, 20), steps=0)
    assert (probe.done, probe.losses) == (0, [])


@pytest.mark.parametrize("sparse", [False, True])
def test_sparse_embedding(sparse: bool) -> None:
    model = nn.Sequential(nn.Embedding(500, 8, sparse=sparse), nn.Flatten(), nn.Linear(32, 3))
    probe, _ = probe_of(model, tokens(500, 8, 4), steps=3, optimizer="sgd:lr=0.1")
    assert probe.done == 3
    assert all(float(g) > 0 for g in probe.parameters[0].gradient)
