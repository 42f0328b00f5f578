"""State dicts on disk: read lazily, safely, from every form they come in; a tree guessed from their names."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.inspector.loading.load import load_target
from nnreport.inspector.weighing.safetensors import read_safetensors
from nnreport.inspector.weighing.statedict import read_state, weights_of_state


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def same(path: str, state: dict[str, torch.Tensor]) -> bool:
    found = dict(read_state(path))
    return list(found) == list(state) and all(
        found[name].dtype == state[name].dtype and torch.equal(found[name], state[name]) for name in state
    )


def pack(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


# ------------------------------------------------------------------------------------------------------------------ .pt


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        lambda s: {"model": s, "lr": 0.1},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {"whatever": s, "optim": {"a": torch.ones(3)}},
        lambda s: {"epoch": torch.tensor(3), "model_state_dict": s},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files(wrapped: Any, zipped: bool) -> None:
    state = dict(network().state_dict())
    torch.save(wrapped(state), "w.pt", _use_new_zipfile_serialization=zipped)
    assert same("w.pt", state)


def test_nothing_is_read_before_it_is_used() -> None:
    torch.save({"big": torch.zeros(30_000_000)}, "w.pt")
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = dict(read_state("w.pt"))
    assert found["big"].shape == (30_000_000,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB of 120,000


class Evil:
    def __reduce__(self) -> Any:
        return (open, ("evil-ran", "w"))


@pytest.mark.parametrize("make", [Evil, lambda: {"state_dict": {"w": torch.ones(2)}, "extra": Evil()}])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(make: Any, zipped: bool) -> None:
    torch.save(make(), "evil.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match=r"evil.pt holds pickled Python objects.*save\(model.state_dict\(\)"):
        dict(read_state("evil.pt"))
    with pytest.raises(UsageError):
        weights_of_state("evil.pt")
    assert not Path("evil-ran").exists()


def test_a_whole_pickled_model_is_refused() -> None:
    torch.save(network(), "model.pt")
    with pytest.raises(UsageError, match=r"holds pickled Python objects \(torch.nn.modules.container.Sequential\)"):
        dict(read_state("model.pt"))


@pytest.mark.filterwarnings("ignore")
def test_archives_of_other_kinds() -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), "script.pt")
    with pytest.raises(UsageError, match=r"is a torch\.jit archive"):
        dict(read_state("script.pt"))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (torch.ones(3), "holds one tensor, not a state dict; to use it as an input write --input @w.pt"),
        ([torch.ones(3)], "holds a list, not a state dict"),
        ({"epoch": 3}, "holds no state dict (it has epoch)"),
        ({}, "holds no state dict (it has nothing)"),
    ],
)
def test_what_is_no_state_dict(value: Any, line: str) -> None:
    torch.save(value, "w.pt")
    with pytest.raises(UsageError) as caught:
        dict(read_state("w.pt"))
    assert line in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00"])
def test_broken_files(content: bytes) -> None:
    for name in ("w.pt", "w.safetensors"):
        Path(name).write_bytes(content)
        with pytest.raises(UsageError) as caught:
            dict(read_state(name))
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_cut_short() -> None:
    torch.save({"w": torch.randn(1000)}, "w.pt")
    Path("w.pt").write_bytes(Path("w.pt").read_bytes()[:2000])
    with pytest.raises(UsageError, match="cannot be read"):
        dict(read_state("w.pt"))


# --------------------------------------------------------------------------------------------------------- safetensors

DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
    "float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64",
]  # fmt: skip


def test_safetensors_files() -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    state = {f"w.{name}": torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}
    state |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    save(state, "w.safetensors", metadata={"format": "pt"})
    found = dict(read_state("w.safetensors"))
    assert set(found) == set(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].to(torch.float64), tensor.to(torch.float64))


def test_unaligned_data() -> None:
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    Path("w.safetensors").write_bytes(pack(header, b"\x07" + struct.pack("<2f", 1.5, -2.0)))
    assert dict(read_state("w.safetensors"))["b"].tolist() == [1.5, -2.0]


def test_the_file_is_never_written() -> None:
    Path("w.safetensors").write_bytes(pack({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)))
    before = Path("w.safetensors").read_bytes()
    dict(read_state("w.safetensors"))["a"].fill_(3.0)
    assert Path("w.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("header", "data", "line"),
    [
        (b"[1]", b"", "its header is no JSON object"),
        (b"{", b"", "its header is no JSON"),
        ({"a": 3}, b"", "entry of 'a' is not as the format says"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234", "'a' does not lie within the file"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(8), "'a' does not lie within the file"),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}}, bytes(8), "'a' does not lie within the file"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, bytes(8), "'a' does not lie within the file"),
        ({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4), "of type X9"),
    ],
)
def test_lying_headers(header: Any, data: bytes, line: str) -> None:
    Path("w.safetensors").write_bytes(pack(header, data))
    with pytest.raises(UsageError) as caught:
        list(read_safetensors(Path("w.safetensors")))
    assert line in str(caught.value)


def test_an_endless_header() -> None:
    Path("w.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(UsageError, match="cut short"):
        list(read_safetensors(Path("w.safetensors")))


# -------------------------------------------------------------------------------------------------------------- shards


def shards(folder: Path, **table: str) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save({"a": torch.ones(2)}, folder / "part-1.bin")
    torch.save({"b": torch.zeros(2)}, folder / "part-2.bin")
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": table or {"a": "part-1.bin", "b": "part-2.bin"}}))
    return index


def test_an_index_and_its_folder() -> None:
    index = shards(Path("model"))
    for spelling in (str(index), "model"):
        assert list(dict(read_state(spelling))) == ["a", "b"]
        assert load_target(spelling, 0).target.name in ("pytorch_model", "model")


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"a": "part-9.bin"}, "names the shard part-9.bin, which is not there"),
        ({"a": "../secret.bin"}, "names '../secret.bin', which is no state dict beside it"),
        ({"a": "part-1.py"}, "which is no state dict beside it"),
    ],
)
def test_bad_indexes(table: dict[str, str], line: str) -> None:
    index = shards(Path("model"), **table)
    with pytest.raises(UsageError) as caught:
        load_target(str(index), 0)
    assert line in str(caught.value)


def test_folders() -> None:
    Path("none").mkdir()
    with pytest.raises(UsageError, match="none is a folder without a state dict"):
        load_target("none", 0)
    Path("two").mkdir()
    for name in ("a.pt", "b.pt"):
        torch.save({"w": torch.ones(1)}, f"two/{name}")
    with pytest.raises(UsageError, match=r"holds several state dicts \(a.pt, b.pt\)"):
        load_target("two", 0)
    Path("bad.index.json").write_text("{}")
    with pytest.raises(UsageError, match="no index of shards"):
        load_target("bad.index.json", 0)


# ------------------------------------------------------------------------------------------------------- tree and facts


def test_tree_and_weights() -> None:
    model = network()
    torch.save(model.state_dict(), "w.pt")
    tree, weights = weights_of_state("w.pt")
    assert {module.path: module.kind for module in tree.modules} == {"": "", "0": "Conv2d", "1": "BatchNorm2d", "3": "Linear"}
    assert tree.total == sum(p.numel() for p in model.parameters())
    assert tree.modules[0].children == ["0", "1", "3"]
    assert [each.name for each in weights.stats] == list(model.state_dict())
    assert {each.name for each in weights.stats if each.kind == "buffer"} == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert not weights.fresh
    assert weights.steps == 0
    assert weights.stats[0].mean == pytest.approx(float(model[0].weight.detach().mean()))


def test_kinds_guessed() -> None:
    model = nn.ModuleDict(
        {
            "tok_emb": nn.Embedding(9, 4),
            "attn": nn.MultiheadAttention(4, 2),
            "ln": nn.LayerNorm(4),
            "rnn": nn.GRU(4, 5),
            "lstm": nn.LSTM(4, 5),
            "up": nn.ConvTranspose2d(4, 6, 2),
            "head": nn.Linear(4, 9, bias=False),
            "bn": nn.BatchNorm1d(9),
        }
    )
    torch.save(model.state_dict(), "w.pt")
    tree, _ = weights_of_state("w.pt")
    kinds = {module.path: module.kind for module in tree.modules}
    assert kinds == {
        "": "",
        "tok_emb": "Embedding",
        "attn": "MultiheadAttention",
        "attn.out_proj": "Linear",
        "ln": "LayerNorm",
        "rnn": "GRU",
        "lstm": "LSTM",
        "up": "ConvTranspose2d",
        "head": "Linear",
        "bn": "BatchNorm1d",
    }


def test_equal_blocks_have_equal_signatures_and_ties_are_found() -> None:
    model = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 4)]), "tied": nn.Linear(3, 3)})
    model["tied"].weight = model["blocks"][0].weight
    torch.save(model.state_dict(), "w.pt")
    tree, _ = weights_of_state("w.pt")
    signatures = [module.signature for module in tree.modules if module.path.startswith("blocks.")]
    assert signatures[0] == signatures[1] != signatures[2]
    assert next(p for p in tree.parameters if p.name == "blocks.0.weight").tied == ["tied.weight"]
    assert tree.total == sum(p.numel() for p in model.parameters())


def test_hostile_names() -> None:
    names = ["<script>alert(1)</script>.weight", "a..b", "", ".", "x" * 5000, "ünï.cödé", "line\nbreak.weight", "'; drop"]
    torch.save({name: torch.ones(2, 2) for name in names}, "w.pt")
    tree, weights = weights_of_state("w.pt")
    assert [each.name for each in weights.stats] == names
    assert len(tree.parameters) == len(names)
    paths = {module.path for module in tree.modules}
    assert all(parameter.module in paths for parameter in tree.parameters)
    assert len(paths) == len(tree.modules)


def test_strange_tensors() -> None:
    torch.save(
        {
            "w": torch.tensor([float("nan"), 1.0]),
            "e": torch.empty(0),
            "i": torch.arange(3),
            "c": torch.ones(2, dtype=torch.cfloat),
        },
        "w.pt",
    )
    _, weights = weights_of_state("w.pt")
    assert {each.name: (each.nan, each.count) for each in weights.stats} == {"w": (1, 2), "e": (0, 0), "i": (0, 3), "c": (0, 2)}
