"""--weights: what fits is loaded, what does not is recorded, what is unsafe is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.facts import Target
from nnreport.inspector.loading.checkpoint import load_checkpoint
from nnreport.inspector.loading.load import Loaded


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def load(model: nn.Module, state: Any, name: str = "w.pt") -> Loaded:
    torch.save(state, name)
    loaded = Loaded(model, Target(), None, None, None, None, None)
    load_checkpoint(loaded, name)
    return loaded


def test_all_fits() -> None:
    source, model = network(), network()
    loaded = load(model, source.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(source.state_dict().values(), model.state_dict().values(), strict=True))
    target = loaded.target
    assert (target.weights, target.missing_keys, target.unexpected_keys, target.mismatched_keys) == ("w.pt", [], [], {})
    assert loaded.notes == []


def test_in_part() -> None:
    source, model = network().state_dict(), network()
    before = model[2].weight.detach().clone()
    source["head.weight"] = source.pop("2.weight")
    source["2.bias"] = torch.zeros(7)
    target = load(model, source).target
    assert target.missing_keys == ["2.weight"]
    assert target.unexpected_keys == ["head.weight"]
    assert target.mismatched_keys == {"2.bias": [[2], [7]]}
    assert torch.equal(model[0].weight, source["0.weight"])
    assert torch.equal(model[2].weight, before)


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        (lambda name: f"module.{name}", "'module.'"),
        (lambda name: f"_orig_mod.{name}", "_orig_mod"),
        (lambda name: f"module._orig_mod.{name}", "'module.'"),
        (lambda name: f"model.{name}", "'model.'"),
        (lambda name: f"model.net.{name}", "'model.net.'"),
        (lambda name: name.replace("0.", "0._orig_mod.", 1), "_orig_mod"),
    ],
)
def test_prefixes_of_wrappers_are_taken_off(rename: Any, words: str) -> None:
    source, model = network().state_dict(), network()
    loaded = load(model, {"state_dict": {rename(name): tensor for name, tensor in source.items()}})
    assert torch.equal(model[0].weight, source["0.weight"])
    assert loaded.target.missing_keys == []
    assert loaded.target.unexpected_keys == []
    assert words in loaded.notes[0]


def test_a_model_whose_own_names_have_the_prefix_keeps_it() -> None:
    model = nn.ModuleDict({"module": nn.Linear(2, 2)})
    source = nn.ModuleDict({"module": nn.Linear(2, 2)})
    loaded = load(model, source.state_dict())
    assert loaded.notes == []
    assert torch.equal(model["module"].weight, source["module"].weight)


def test_another_models_checkpoint_is_not_bent_until_it_fits() -> None:
    model = network()
    other = {f"features.{name}": tensor for name, tensor in nn.Linear(3, 4).state_dict().items()}
    other |= {f"features.0.{i}": torch.ones(1) for i in range(20)}
    loaded = load(model, other)
    assert len(loaded.target.missing_keys) == 8
    assert loaded.notes == []


def test_tied_weights_saved_once_are_not_missing() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embedding.weight

    source = Tied().state_dict()
    del source["head.weight"]
    assert load(Tied(), source).target.missing_keys == []


def test_an_old_file_without_counters() -> None:
    source = {name: tensor for name, tensor in network().state_dict().items() if "num_batches" not in name}
    assert load(network(), source).target.missing_keys == []


def test_half_precision_and_own_loading() -> None:
    source, model = network().half().state_dict(), network()
    load(model, source)
    assert model[0].weight.dtype is torch.float32
    assert torch.equal(model[0].weight, source["0.weight"].float())

    class Own(nn.Linear):
        def load_state_dict(self, state: dict[str, Tensor]) -> None:  # type: ignore[override]
            raise RuntimeError("not so")

    own = Own(3, 2)
    loaded = load(own, {"weight": torch.ones(2, 3), "extra": torch.ones(1)})
    assert torch.equal(own.weight, torch.ones(2, 3))
    assert loaded.target.missing_keys == ["bias"]
    assert loaded.target.unexpected_keys == ["extra"]
    assert "load_state_dict failed" in loaded.notes[0]


class Evil:
    def __reduce__(self) -> Any:
        return (open, ("evil-ran", "w"))


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Evil(), "--weights w.pt holds pickled Python objects"),
        ({"epoch": 1}, "--weights w.pt holds no state dict"),
    ],
)
def test_refused(state: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(network(), state)
    assert str(caught.value).startswith(line)
    assert not Path("evil-ran").exists()


def test_no_such_file() -> None:
    Path("weights.pt").write_bytes(b"")
    loaded = Loaded(network(), Target(), None, None, None, None, None)
    with pytest.raises(UsageError, match=r"no such file: weihgts.pt; did you mean weights.pt\?"):
        load_checkpoint(loaded, "weihgts.pt")
