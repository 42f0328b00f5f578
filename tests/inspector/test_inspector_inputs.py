"""Inputs: drawn as --input says, read from files, found where none is given; the line where they do not fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.inputspec import DTYPES
from nnreport.inspector.feeding.guess import guess_spec, vocabulary
from nnreport.inspector.feeding.inputs import Sample, find_sample, sample_from_specs, sample_of
from nnreport.inspector.tracebacks import UserFailure


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
        return self.fc(x) * mask.sum() * scale


class Nothing(nn.Module):
    def forward(self) -> Tensor:
        return torch.ones(1)


class NoSelf(nn.Module):
    def forward(x: Tensor) -> Tensor:
        return x


def loaded(model: nn.Module, python: Any = None) -> Any:
    return SimpleNamespace(model=model, python=python)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -------------------------------------------------------------------------------------------------------------- drawn


def test_names_come_from_forward() -> None:
    sample = sample_from_specs(["3,4", "mask=3:bool", "scale=0.5"], Two(), 0)
    assert sample.names == ["x", "mask", "scale"]
    assert [spec.keyword for spec in sample.specs] == [False, True, True]
    assert sample.specs[0].source == "--input 3,4"
    assert sample.specs[2].value == "0.5"
    assert sample.batch == 3
    assert sample.args[0].shape == (3, 4)
    assert sample.kwargs["mask"].dtype is torch.bool


@pytest.mark.parametrize("dtype", [each for each in DTYPES if hasattr(torch, each)])
def test_every_dtype_can_be_drawn(dtype: str) -> None:
    (x,) = sample_from_specs([f"5,3:{dtype}"], nn.Identity(), 0).args
    assert x.dtype is getattr(torch, dtype)
    assert x.shape == (5, 3)
    assert torch.isfinite(x.to(torch.complex64 if x.is_complex() else torch.float64)).all()


def test_ranges_are_kept_and_reached() -> None:
    (x,) = sample_from_specs(["2000:int64[3,6)"], nn.Identity(), 0).args
    assert sorted(x.unique().tolist()) == [3, 4, 5]
    (y,) = sample_from_specs(["2000:int8[-2,0]"], nn.Identity(), 0).args
    assert sorted(y.unique().tolist()) == [-2, -1, 0]
    (z,) = sample_from_specs(["2000[2,3]"], nn.Identity(), 0).args
    assert float(z.min()) >= 2
    assert float(z.max()) <= 3
    assert float(z.std()) > 0.2


def test_without_a_range_noise_is_normal_and_tokens_fit_the_embedding() -> None:
    (x,) = sample_from_specs(["2000"], nn.Identity(), 0).args
    assert abs(float(x.mean())) < 0.1
    assert abs(float(x.std()) - 1) < 0.1
    model = nn.Sequential(nn.Embedding(17, 4))
    (ids,) = sample_from_specs(["2000:int64"], model, 0).args
    assert int(ids.max()) == 16


def test_segments_and_positions_are_no_vocabulary() -> None:
    model = nn.ModuleDict({"token": nn.Embedding(90, 4), "token_type": nn.Embedding(2, 4), "position": nn.Embedding(30, 4)})
    assert vocabulary(model) == 90


def test_one_seed_one_sample() -> None:
    first, second, other = (sample_from_specs(["2,3"], nn.Identity(), seed).args[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_scalar_is_not_in_the_batch() -> None:
    sample = sample_from_specs(["8,4", ":int64[0,10)"], Two(), 0)
    assert sample.batch == 8
    assert sample.args[1].shape == ()
    assert sample.widened(16, 0).args[1].shape == ()


@pytest.mark.parametrize(
    ("specs", "line"),
    [
        (["3,4"], "Two.forward(x: Tensor, mask: Tensor, scale: float = 1.0) does not take --input 3,4"),
        (["3,4"], "missing a required argument: 'mask'; add --input for mask"),
        (["3,4", "3", "3", "3"], "too many positional arguments; give one --input for each of its parameters"),
        (["3,4", "maks=3"], "add --input for mask"),
        (["3,4", "mask=3", "mask=3"], "mask is given twice"),
        (["100000000,100000", "mask=3"], "takes 40,000 GB"),
    ],
)
def test_inputs_that_do_not_fit(specs: list[str], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        sample_from_specs(specs, Two(), 0)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_forward_without_self_is_the_models_fault() -> None:
    assert sample_from_specs(["3,4"], NoSelf(), 0).batch == 3


# -------------------------------------------------------------------------------------------------------------- files


def test_tensor_files(folder: Path) -> None:
    torch.save(torch.ones(3, 4), "x.pt")
    numpy.save("x.npy", numpy.ones((3, 4)))
    numpy.savez("pair.npz", numpy.ones((3, 4)), numpy.ones(3, dtype=bool))
    numpy.savez("named.npz", x=numpy.ones((3, 4)), mask=numpy.ones(3, dtype=bool))
    torch.save({"x": torch.ones(3, 4), "mask": torch.ones(3)}, "named.pt")
    torch.save((torch.ones(3, 4), torch.ones(3)), "pair.pt")
    model = Two()
    assert torch.equal(sample_from_specs(["@x.pt", "3"], model, 0).args[0], torch.ones(3, 4))
    array = sample_from_specs(["@x.npy", "mask=@x.pt"], model, 0)
    assert array.args[0].dtype is torch.float32
    assert sample_from_specs(["@pair.npz"], model, 0).args[1].dtype is torch.bool
    assert list(sample_from_specs(["@named.npz"], model, 0).kwargs) == ["x", "mask"]
    assert list(sample_from_specs(["@named.pt"], model, 0).kwargs) == ["x", "mask"]
    assert len(sample_from_specs(["@pair.pt"], model, 0).args) == 2


def test_safetensors_file(folder: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    save({"x": torch.ones(3, 4), "mask": torch.ones(3)}, "named.safetensors")
    assert torch.equal(sample_from_specs(["@named.safetensors"], Two(), 0).kwargs["x"], torch.ones(3, 4))


def test_picture(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = numpy.zeros((5, 6, 3), dtype=numpy.uint8)
    pixels[0, 0] = (255, 0, 51)
    image.fromarray(pixels).save("p.png")
    (x,) = sample_from_specs(["@p.png"], nn.Conv2d(3, 2, 3), 0).args
    assert x.shape == (1, 3, 5, 6)
    assert x.dtype is torch.float32
    assert torch.allclose(x[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.2]))
    (gray,) = sample_from_specs(["@p.png"], nn.Conv2d(1, 2, 3), 0).args
    assert gray.shape == (1, 1, 5, 6)


class Evil:
    def __reduce__(self) -> Any:
        return (open, ("evil-ran", "w"))


def test_bad_files(folder: Path) -> None:
    torch.save(Evil(), "evil.pt")
    torch.save({"a": 1}, "plain.pt")
    Path("broken.pt").write_bytes(b"PK\x03\x04 nothing")
    Path("broken.npy").write_bytes(b"nothing")
    Path("broken.npz").write_bytes(b"nothing")
    Path("broken.png").write_bytes(b"nothing")
    Path("notes.txt").write_text("")
    numpy.save("words.npy", numpy.array(["a"]))
    numpy.save("objects.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    lines = {
        "evil.pt": "holds pickled Python objects",
        "plain.pt": "holds dict, not a tensor",
        "broken.pt": "cannot be read",
        "broken.npy": "cannot read it",
        "broken.npz": "cannot read it",
        "broken.png": "cannot read the image",
        "notes.txt": "cannot read .txt; known: .pt",
        "words.npy": "not of numbers",
        "objects.npy": "cannot read it",
    }
    for name, line in lines.items():
        with pytest.raises(UsageError) as caught:
            sample_from_specs([f"@{name}"], nn.Identity(), 0)
        assert line in str(caught.value), name
        assert "\n" not in str(caught.value), name
    assert not Path("evil-ran").exists()


# ------------------------------------------------------------------------------------------------------------ widened


def test_widened_is_drawn_alike() -> None:
    sample = sample_from_specs(["1,50:int64[0,7)"], nn.Identity(), 0)
    wide = sample.widened(16, 3)
    assert wide.args[0].shape == (16, 50)
    assert int(wide.args[0].max()) == 6
    assert torch.equal(wide.args[0], sample.widened(16, 3).args[0])
    assert not torch.equal(wide.args[0], sample.widened(16, 4).args[0])
    assert sample.args[0].shape == (1, 50)


def test_given_values_stay_valid_when_widened() -> None:
    ids = torch.tensor([[5, 9, 5, 2], [7, 9, 8, 2]])
    positions = torch.arange(4).expand(2, 4)
    given = (ids, torch.ones(2, 4), positions, torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]]), torch.rand(2, 3) + 5)
    wide = sample_of(nn.Identity(), given, {}, "given").widened(10, 0).args
    assert set(wide[0].flatten().tolist()) <= {5, 9, 8, 7, 2}
    assert wide[0][:, -1].tolist() == [2] * 10  # the end of the text stays the end
    assert torch.equal(wide[1], torch.ones(10, 4))
    assert torch.equal(wide[2], torch.arange(4).expand(10, 4))
    assert {tuple(row) for row in wide[3].tolist()} == {(1, 1, 0, 0), (1, 1, 1, 0)}
    assert wide[4].min() >= 5
    assert wide[4].max() <= 6
    assert len(wide[4].unique(dim=0)) > 5


def test_one_given_row_is_widened_to_different_ones() -> None:
    wide = sample_of(nn.Identity(), (torch.randn(1, 40),), {}, "given").widened(8, 0).args[0]
    assert wide.shape == (8, 40)
    assert len(wide.unique(dim=0)) == 8


def test_without_a_common_batch_the_shapes_stay() -> None:
    sample = sample_of(nn.Identity(), (torch.randn(2, 3), torch.randn(5, 3)), {}, "given")
    assert sample.batch is None
    assert [tuple(x.shape) for x in sample.widened(16, 0).args] == [(2, 3), (5, 3)]


def test_nested_inputs() -> None:
    sample = sample_of(Two(), ({"a": torch.ones(3), "b": [torch.ones(3), "text"]},), {}, "given")
    assert sample.names == ["x.a", "x.b[0]", "x.b[1]"]
    assert sample.batch == 3
    assert sample.widened(4, 0).args[0]["b"][0].shape == (4,)
    assert sample.to("cpu").args[0]["b"][1] == "text"


# ----------------------------------------------------------------------------------------------- where none is given


def find(model: nn.Module, python: Any = None) -> Sample:
    return find_sample(loaded(model, python), None, 0)


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [
        (torch.ones(3, 4), 1, []),
        ((torch.ones(3, 4), torch.ones(3)), 2, []),
        ([torch.ones(3, 4), torch.ones(3)], 2, []),
        ({"x": torch.ones(3, 4), "mask": torch.ones(3)}, 0, ["x", "mask"]),
        (((torch.ones(3, 4),), {"mask": torch.ones(3)}), 1, ["mask"]),
        ({"other": torch.ones(3)}, 1, []),
    ],
)
def test_example_inputs(given: Any, args: int, kwargs: list[str]) -> None:
    for python in (SimpleNamespace(example_inputs=lambda: given), SimpleNamespace(example_inputs=given)):
        sample = find(Two(), python)
        assert len(sample.args) == args
        assert list(sample.kwargs) == kwargs
        assert sample.specs[0].source == "example_inputs()"


def test_example_inputs_are_seeded() -> None:
    python = SimpleNamespace(example_inputs=lambda: torch.randn(2, 2))
    assert torch.equal(find(Two(), python).args[0], find(Two(), python).args[0])


def test_example_inputs_raise() -> None:
    def broken() -> None:
        raise ValueError("no data here")

    with pytest.raises(UserFailure, match=r"example_inputs\(\) raised ValueError: no data here \(.*inputs.py:") as caught:
        find(Two(), SimpleNamespace(example_inputs=broken))
    failure = caught.value.failure
    assert (failure.phase, failure.message) == ("data", "no data here")
    assert failure.location is not None


def test_a_model_without_inputs() -> None:
    sample = find(Nothing())
    assert (sample.args, sample.kwargs, sample.specs, sample.batch) == ((), {}, [], None)


def test_conventions_of_other_packages() -> None:
    lightning, timm, dummy = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(4, 2)
    lightning.example_input_array = torch.ones(5, 4)
    timm.pretrained_cfg = {"input_size": (3, 8, 8)}
    dummy.dummy_inputs = {"input": torch.ones(7, 4), "other": torch.ones(1)}
    assert find(lightning).args[0].shape == (5, 4)
    assert find(timm).args[0].shape == (2, 3, 8, 8)
    assert find(dummy).kwargs["input"].shape == (7, 4)
    assert find(dummy).specs[0].source == "dummy_inputs"


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        (nn.Sequential(nn.Linear(784, 10)), "1,784"),
        (nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), "1,3,32,32"),
        (nn.Conv1d(2, 3, 3), "1,2,64"),
        (nn.Embedding(50, 4), "1,16:int64[0,50)"),
        (nn.LSTM(5, 6, batch_first=True), "1,16,5"),
        (nn.LSTM(5, 6), "16,1,5"),
        (nn.TransformerEncoderLayer(8, 2, batch_first=True), "1,16,8"),
        (nn.BatchNorm2d(7), "1,7,32,32"),
        (nn.LayerNorm((4, 5)), "1,4,5"),
        (nn.ReLU(), ""),
    ],
)
def test_the_guess_shows_the_spelling(model: nn.Module, guess: str) -> None:
    assert guess_spec(model) == guess
    with pytest.raises(UsageError) as caught:
        find(model)
    assert f"--input {guess or '1,784'}" in str(caught.value)
    assert "example_inputs()" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_inputs_are_named() -> None:
    with pytest.raises(UsageError, match="one --input for each of x, mask"):
        find(Two())
