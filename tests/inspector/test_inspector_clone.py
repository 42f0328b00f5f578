"""A clone equals its model, shares nothing with it, and works however awkward the model is."""

from __future__ import annotations

import threading
import warnings
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnreport.inspector.clone import CloneError, can_rebuild, clone


def storages(model: nn.Module) -> set[int]:
    return {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()] if t.numel()}


def test_equal_and_apart() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    model[0].weight.requires_grad_(False)
    model[1].eval()
    copied = clone(model)
    assert list(copied.state_dict()) == list(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(copied.state_dict().values(), model.state_dict().values(), strict=True))
    assert [m.training for m in copied.modules()] == [m.training for m in model.modules()]
    assert [p.requires_grad for p in copied.parameters()] == [p.requires_grad for p in model.parameters()]
    assert not storages(copied) & storages(model)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert all(float(p.detach().abs().sum()) > 0 for p in model[0].parameters())


def test_tied_parameters_stay_tied() -> None:
    model = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)])
    model[1].weight = model[0].weight
    model[2].weight.data = model[0].weight.data  # two objects, one memory
    copied = clone(model)
    assert copied[1].weight is copied[0].weight
    assert copied[2].weight is not copied[0].weight
    assert copied[2].weight.data_ptr() == copied[0].weight.data_ptr()
    assert len(storages(copied)) == len(storages(model))
    assert not storages(copied) & storages(model)


def test_views_of_one_flat_parameter() -> None:
    flat = torch.arange(12.0)
    model = nn.Module()
    model.a, model.b = nn.Parameter(flat[:6].view(2, 3)), nn.Parameter(flat[6:].view(3, 2))
    copied = clone(model)
    assert torch.equal(copied.b, model.b)
    assert copied.a.untyped_storage().data_ptr() == copied.b.untyped_storage().data_ptr()


class Awkward(nn.Module):
    """Holds what cannot be copied, and what points back at itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.lock = threading.Lock()
        self.stream = (i for i in range(3))
        self.library = threading
        self.plain = [nn.Linear(3, 3), {"lock": threading.Lock(), "fc": nn.Linear(3, 3)}]
        self.function = lambda x: self.fc(x)
        self.parent = weakref.ref(self)
        self.cached: Tensor | None = None
        self.fc.weight.no_decay = True  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        self.cached = self.function(x)
        return self.plain[0](self.cached)  # type: ignore[operator]


def test_awkward_attributes() -> None:
    model = Awkward()
    x = torch.randn(2, 3)
    expected = model(x)  # leaves a tensor with a graph on the module
    copied = clone(model)
    assert torch.equal(copied(x), expected)
    assert copied.lock is model.lock
    assert copied.plain[0] is not model.plain[0]
    assert copied.plain[1]["fc"] is not model.plain[1]["fc"]  # type: ignore[index]
    assert copied.parent() is copied
    assert copied.fc.weight.no_decay
    assert not hasattr(model.fc.weight, "grad") or model.fc.weight.grad is None


def test_a_closure_trains_the_copy_only() -> None:
    model = Awkward()
    clone(model)(torch.randn(2, 3)).sum().backward()
    assert model.fc.weight.grad is None
    assert model.plain[0].weight.grad is None  # type: ignore[union-attr]


def test_old_weight_norm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.utils.weight_norm(nn.Linear(3, 2))
    x = torch.randn(4, 3)
    expected = model(x)
    copied = clone(model)
    assert torch.equal(copied(x), expected)
    copied(x).sum().backward()
    assert copied.weight_g.grad is not None
    assert model.weight_g.grad is None


def test_hooks_are_kept_and_bound_to_the_copy() -> None:
    class Hooked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.calls = 0
            self.handle = self.fc.register_forward_hook(self.count)

        def count(self, *given: Any) -> None:
            self.calls += 1

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    model = Hooked()
    copied = clone(model)
    copied(torch.ones(1, 2))
    assert (copied.calls, model.calls) == (1, 0)
    copied.handle.remove()
    assert len(model.fc._forward_hooks) == 1
    assert len(copied.fc._forward_hooks) == 0


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU])
def test_recurrent(make: type[nn.RNNBase]) -> None:
    model = make(3, 4, num_layers=2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    assert torch.equal(clone(model)(x)[0], model(x)[0])


def test_parametrised_lazy_meta_empty() -> None:
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
    )
    x = torch.randn(2, 3)
    assert torch.equal(clone(model).eval()(x), model.eval()(x))
    assert isinstance(clone(nn.LazyLinear(3)).weight, nn.UninitializedParameter)
    assert isinstance(clone(nn.LazyBatchNorm1d()).running_mean, nn.UninitializedBuffer)
    assert clone(nn.Linear(3, 3, device="meta")).weight.is_meta
    assert clone(nn.Module()) is not None


def test_a_scripted_child_has_leaves_that_train() -> None:
    model = nn.Sequential(torch.jit.script(nn.Linear(3, 4)), torch.jit.script(nn.Linear(4, 2).requires_grad_(False)))
    copied = clone(model)
    assert all(p.is_leaf for p in copied.parameters())
    assert (
        [p.requires_grad for p in copied.parameters()]
        == [p.requires_grad for p in model.parameters()]
        == [True] * 2 + [False] * 2
    )
    assert not storages(copied) & storages(model)


class Refuses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def __deepcopy__(self, memo: object) -> Refuses:
        raise RuntimeError("not me")


def test_rebuilt_where_it_cannot_be_copied() -> None:
    model = Refuses()
    model.fc.weight.requires_grad_(False)
    model.fc.eval()
    can_rebuild(model, Refuses)
    copied = clone(model)
    assert torch.equal(copied.fc.weight, model.fc.weight)
    assert not copied.fc.weight.requires_grad
    assert (copied.training, copied.fc.training) == (True, False)


def test_a_reason_where_nothing_helps() -> None:
    with pytest.raises(CloneError, match="the model cannot be copied \\(RuntimeError: not me\\)"):
        clone(Refuses())


def test_the_random_state_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    state = torch.random.get_rng_state()
    clone(model)
    assert torch.equal(state, torch.random.get_rng_state())
