"""The user's files and what they name; torch is not needed to read them."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnreport.errors import UsageError
from nnreport.facts import SourceFile, Target
from nnreport.inspector.reading.source import read_file, read_source
from nnreport.inspector.reading.source_hints import source_hints


def imported(path: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Two files: blocks in one, the net and a class that it does not use in the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "src_blocks.py").write_text(
        "from torch import nn\n\nclass Base(nn.Module):\n    def forward(self, x):\n        return x\n\n"
        "class Block(Base):\n    pass\n\nclass Spare(nn.Module):\n    pass\n"
    )
    (tmp_path / "src_net.py").write_text(
        "from torch import nn\nfrom src_blocks import Block\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.blocks = [Block()]\n"
        "        self.fc = nn.Linear(2, 2)\n\nclass Other(nn.Module):\n    pass\n"
    )
    yield imported(tmp_path / "src_net.py", "src_net")
    for name in ("src_net", "src_blocks"):
        sys.modules.pop(name, None)


def loaded(module, spec, path=None):
    return SimpleNamespace(path=path or Path(module.__file__), python=module, target=Target(spec=spec, name=spec.split(":")[-1]))


def used(file):
    return {cls.name for cls in file.classes if cls.used}


def test_used_classes_are_followed_into_other_files_and_plain_lists(package):
    files = read_source(loaded(package, "src_net.py:Net"), package.Net())
    assert [file.path for file in files] == ["src_net.py", "src_blocks.py"]
    assert [file.target for file in files] == [True, False]
    assert used(files[0]) == {"Net"}
    assert used(files[1]) == {"Block", "Base"}
    assert {cls.name for cls in files[1].classes} == {"Base", "Block", "Spare"}
    assert (files[1].classes[0].line, files[1].classes[0].end) == (3, 5)


def test_without_a_model_the_target_and_what_it_names_count(package):
    (file, *_) = read_source(loaded(package, "src_net.py:Net"), None)
    assert used(file) == {"Net"}


def test_installed_packages_are_nobodys_files(package):
    from torch import nn

    files = read_source(loaded(package, "src_net.py:net"), nn.Sequential(nn.Linear(2, 2)))
    assert [file.path for file in files] == ["src_net.py"]
    assert not used(files[0])


def test_a_class_made_in_a_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "src_inner.py"
    path.write_text("from torch import nn\ndef make():\n    class Inner(nn.Module):\n        pass\n    return Inner()\n")
    module = imported(path, "src_inner")
    (file,) = read_source(loaded(module, "src_inner.py:make"), module.make())
    assert used(file) == {"make.Inner"}
    del sys.modules["src_inner"]


def test_read_file_never_imports(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "danger.py"
    path.write_text(
        "raise SystemExit\nimport torch.nn as nn\nclass A(nn.Module):\n    pass\nclass B(A):\n    pass\nclass Plain:\n    pass\n"
    )
    file = read_file(path)
    assert used(file) == {"A", "B"}
    assert file.path == "danger.py"


@pytest.mark.parametrize("data", [b"def broken(:\n", b"\xff\xfe\x00", b"x = 1\x00"])
def test_a_file_that_does_not_parse_is_wrong_usage(tmp_path, data):
    path = tmp_path / "bad.py"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"bad\.py"):
        read_file(path)


HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import optim\n"


@pytest.mark.parametrize(
    ("text", "loss", "optimizer"),
    [
        (
            "c = nn.CrossEntropyLoss()\no = optim.SGD(m.parameters(), lr=0.01, momentum=0.9)\n",
            "cross_entropy",
            "sgd:lr=0.01,momentum=0.9",
        ),
        ("def step(x, y):\n    return F.nll_loss(x, y)\n", "nll_loss", None),
        ("c = nn.CrossEntropyLoss()\nd = nn.MSELoss()\n", None, None),
        ("o = torch.optim.Adam(m.parameters(), 3e-4, betas=(0.9, 0.99))\n", None, "adam:lr=0.0003"),
        ("o = optim.Adam(m.parameters(), lr=args.lr)\n", None, None),
        ("o = optim.Adam(a.parameters())\np = optim.SGD(b.parameters(), lr=1.0)\n", None, None),
        ("class V(nn.Module):\n    def forward(self, x):\n        return x, F.mse_loss(x, x)\n", None, None),
        ("def elbo(o, x):\n    bce = F.binary_cross_entropy(o, x)\n    return bce + kl(o)\n", None, None),
        ("def train():\n    loss = F.mse_loss(o, x)\n    total = total + loss.item()\n", "mse_loss", None),
        ("class CrossEntropyLoss(nn.Module):\n    pass\nc = CrossEntropyLoss()\n", None, None),
    ],
)
def test_hints(text, loss, optimizer):
    hints = source_hints([SourceFile(path="m.py", text=HEAD + text, target=True)])
    assert hints.get("loss") == loss
    assert hints.get("optimizer") == optimizer


def test_a_hint_says_where():
    hints = source_hints([SourceFile(path="m.py", text=HEAD + "c = nn.MSELoss()  # here\n", target=True)])
    where = hints["loss_location"]
    assert (where.path, where.line, where.text) == ("m.py", 5, "c = nn.MSELoss()  # here")


def test_only_the_targets_own_file_hints():
    assert not source_hints([SourceFile(path="m.py", text=HEAD + "c = nn.MSELoss()\n", target=False)])
