"""TARGET to a model: what loads, what is a failure of the user's, and the line for each wrong use."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import torch

from nnreport.errors import UsageError
from nnreport.inspector.loading import importing
from nnreport.inspector.loading.load import load_object, load_target

SOURCE = """
import sys
import torch
from torch import nn

print("imported")


class Block(nn.Module):
    def __init__(self, width):
        self.fc = nn.Linear(width, width)


class Net(nn.Module):
    def __init__(self, hidden=8, act="relu"):
        super().__init__()
        self.fc = nn.Linear(4, hidden)

    def forward(self, x):
        return self.fc(x)


class Needs(nn.Module):
    def __init__(self, config, depth: int = 2):
        super().__init__()


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block(4)


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, -1)


class Wrongly(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4, 4, 4, 4, 4, 4)


class Plain:
    pass


def make(hidden=3):
    print("made")
    return Net(hidden)


def both():
    return Net(), "tokenizer"


def forgot():
    Net()


def a_class():
    return Net


def stops():
    sys.exit(3)


def scripted():
    return torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))


net = Net(2)
config = {"hidden": 3}
parallel = nn.DataParallel(Net(2))
compiled = torch.compile(net)

if __name__ == "__main__":
    raise SystemExit("the script part ran")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; what tests import is forgotten after."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.setattr(importing, "_imported", {})
    yield tmp_path  # type: ignore[misc]
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "target_file.py"
    path.write_text(SOURCE)
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


def line_of(spec: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_target(spec, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------ it loads


def test_class(file: Path) -> None:
    loaded = load_target("target_file.py:Net", 0)
    assert type(loaded.model).__name__ == "Net"
    target = loaded.target
    assert (target.name, target.cls, target.kind) == ("Net", "target_file.Net", "module")
    assert target.location is not None
    assert (target.location.path, target.location.text) == ("target_file.py", "class Net(nn.Module):")
    assert loaded.python is not None
    assert loaded.path == Path("target_file.py")


def test_arguments(file: Path) -> None:
    loaded = load_target('target_file.py:Net(5, act="gelu")', 0)
    assert loaded.model.fc.out_features == 5
    assert loaded.target.arguments == {"hidden": 5, "act": "gelu"}


@pytest.mark.parametrize(("name", "width"), [("make", 3), ("make(6)", 6), ("net", 2)])
def test_factory_and_instance(file: Path, name: str, width: int) -> None:
    assert load_target(f"target_file.py:{name}", 0).model.fc.out_features == width


def test_prints_go_to_standard_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_target("target_file.py:make", 0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "imported\nmade\n"


def test_one_seed_one_model(file: Path) -> None:
    state = torch.random.get_rng_state()
    first, second = (load_target("target_file.py:Net", 7).model for _ in range(2))
    other = load_target("target_file.py:Net", 8).model
    assert torch.equal(first.fc.weight, second.fc.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_rebuild_gives_the_same_anew(file: Path) -> None:
    loaded = load_target("target_file.py:Net", 7)
    again = loaded.rebuild()
    assert again is not loaded.model
    assert torch.equal(again.fc.weight, loaded.model.fc.weight)
    assert load_target("target_file.py:net", 7).rebuild is None


@pytest.mark.parametrize(
    ("name", "note"), [("parallel", "DataParallel was taken off"), ("compiled", "torch.compile was left out")]
)
def test_wrappers_are_taken_off(file: Path, name: str, note: str) -> None:
    before = set(sys.modules)
    loaded = load_target(f"target_file.py:{name}", 0)
    assert type(loaded.model).__name__ == "Net"
    assert any(note in each for each in loaded.notes)
    assert not any(module.startswith("torch._inductor") for module in set(sys.modules) - before)


def test_package_and_submodule() -> None:
    loaded = load_target("torch.nn:Linear(3, out_features=2)", 0)
    assert loaded.target.cls == "torch.nn.modules.linear.Linear"
    assert loaded.target.location is not None
    assert not loaded.target.location.user
    assert load_target("torch:nn.Linear(3, 2)", 0).model is not None


def test_file_alone(folder: Path) -> None:
    write(folder / "one.py", "from torch import nn\nclass Only(nn.Module):\n    pass\n")
    assert load_target("one.py", 0).target.name == "Only"


def test_file_alone_with_an_instance_of_a_class_that_takes_arguments(folder: Path) -> None:
    write(
        folder / "one.py",
        """
        from torch import nn
        class Net(nn.Module):
            def __init__(self, width):
                super().__init__()
        net = Net(3)
        """,
    )
    assert load_target("one.py", 0).target.name == "net"


def test_neighbours_and_own_package(folder: Path) -> None:
    write(folder / "pkg/__init__.py", "")
    write(folder / "pkg/parts.py", "WIDTH = 5\n")
    write(folder / "pkg/model.py", "from torch import nn\nfrom .parts import WIDTH\nnet = nn.Linear(WIDTH, 1)\n")
    write(folder / "flat/helper_parts.py", "WIDTH = 6\n")
    write(folder / "flat/flat_model.py", "from torch import nn\nfrom helper_parts import WIDTH\nnet = nn.Linear(WIDTH, 1)\n")
    assert load_target("pkg/model.py:net", 0).model.in_features == 5
    assert load_target("flat/flat_model.py:net", 0).model.in_features == 6


def test_a_file_named_like_the_standard_library_hides_nothing(folder: Path) -> None:
    import random

    write(folder / "random.py", "from torch import nn\nnet = nn.Linear(2, 2)\n")
    assert load_target("random.py:net", 0).model is not None
    assert sys.modules["random"] is random


def test_the_users_folder_is_left_as_it_is(file: Path) -> None:
    load_target("target_file.py:Net", 0)
    assert [path.name for path in file.parent.iterdir()] == ["target_file.py"]


def test_script_settings_do_not_leak(folder: Path) -> None:
    write(folder / "off.py", "import torch\nfrom torch import nn\ntorch.set_grad_enabled(False)\nnet = nn.Linear(2, 2)\n")
    load_target("off.py:net", 0)
    assert torch.is_grad_enabled()


def test_no_folder_of_the_users_in_the_record(file: Path) -> None:
    target = load_target(f"{file}:Net", 0).target
    assert target.spec == "target_file.py:Net"
    assert str(file.parent) not in repr(target)


# --------------------------------------------------------------------------------------------- the constructor fails


def test_missing_super_init(file: Path) -> None:
    loaded = load_target("target_file.py:Block(3)", 0)
    failure = loaded.failure
    assert loaded.model is None
    assert failure is not None
    assert (failure.phase, failure.exception, failure.cls) == ("construct", "AttributeError", "target_file.Block")
    assert "before Module.__init__() call" in failure.message
    assert failure.location is not None
    assert failure.location.text == "self.fc = nn.Linear(width, width)"
    assert "super().__init__()" in failure.hint


def test_inner_constructor_fails(file: Path) -> None:
    failure = load_target("target_file.py:Inner", 0).failure
    assert failure is not None
    assert failure.cls == "target_file.Block"
    assert [frame.location.text for frame in failure.frames] == ["self.block = Block(4)", "self.fc = nn.Linear(width, width)"]


def test_torch_layer_refuses(file: Path) -> None:
    failure = load_target("target_file.py:Raises", 0).failure
    assert failure is not None
    assert failure.cls == "torch.nn.modules.linear.Linear"
    assert failure.location is not None
    assert failure.location.text == "self.fc = nn.Linear(4, -1)"


def test_a_type_error_inside_is_no_wrong_use(file: Path) -> None:
    failure = load_target("target_file.py:Wrongly", 0).failure
    assert failure is not None
    assert failure.exception == "TypeError"


def test_constructor_exits(file: Path) -> None:
    failure = load_target("target_file.py:stops", 0).failure
    assert failure is not None
    assert failure.exception == "SystemExit"


# ------------------------------------------------------------------------------------------------------ it is wrong use


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Nte", "target_file.py has no 'Nte'; did you mean Net?"),
        ("NET", "did you mean Net? It has the module classes Block, Net, Needs"),
        ("zzz", "it has the module classes Block, Net, Needs, Inner, Raises, Wrongly, the instances net, parallel"),
        ("Net.zzz", "Net has no 'zzz'"),
        ("Needs", "Needs(config, depth: int = 2): missing a required argument: 'config'"),
        ("Net(1, 2, 3)", "Net(hidden=8, act='relu'): too many positional arguments"),
        ("Net(hiden=3)", "got an unexpected keyword argument 'hiden'"),
        ("Net(3, hidden=3)", "multiple values for argument 'hidden'"),
        ("net()", "net is an instance already; write it without parentheses"),
        ("config", "config is a dict, not a Module class, a factory function or a Module instance"),
        ("Plain", "the class Plain is no torch.nn.Module"),
        ("both", "both returned a tuple of 2, not a torch.nn.Module; its item 0 is one"),
        ("forgot", "forgot returned None, not a torch.nn.Module; does it lack a return?"),
        ("a_class", "but a class; return an instance"),
        ("scripted", "torch.jit module, which has no Python code"),
    ],
)
def test_wrong_use_is_one_line(file: Path, name: str, line: str) -> None:
    assert line in line_of(f"target_file.py:{name}")


def test_which_of_several(file: Path) -> None:
    assert "has the module classes Block, Net" in line_of("target_file.py")
    assert "say which, e.g. target_file.py:Wrongly" in line_of("target_file.py")


def test_a_file_without_a_model(folder: Path) -> None:
    write(folder / "empty.py", "x = 1\n")
    write(folder / "factory.py", "def make():\n    pass\n")
    assert line_of("empty.py") == "empty.py defines no Module, no function and no instance of one"
    assert "but the function make: say which, e.g. factory.py:make" in line_of("factory.py")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = (\n", "bad.py:1: syntax error:"),
        ("import surely_not_there\n", "bad.py:1: the package 'surely_not_there' is not installed: pip install surely_not_there"),
        ("import utils.deep\n", "bad.py:1: no module 'utils' beside the file"),
        ("from torch.nn import Liner\n", "bad.py:1: ImportError: cannot import name 'Liner'"),
        ("import torch.nothing\n", "bad.py:1: there is no module 'torch.nothing' in the package torch"),
        ("x = 1\nint('a')\n", "importing bad.py failed at bad.py:2: ValueError: invalid literal"),
        ("import sys\nsys.exit(2)\n", "bad.py called sys.exit(2) while it was imported; put what the script does under"),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('d')\np.parse_args()\n", "called sys.exit(2)"),
        ("raise Exception\n", "importing bad.py failed at bad.py:1: Exception"),
    ],
)
def test_a_file_that_cannot_be_imported(folder: Path, source: str, line: str) -> None:
    write(folder / "bad.py", source)
    assert line in line_of("bad.py:Net")


def test_a_known_distribution_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    write(folder / "bad.py", "import cv2\n")
    assert "pip install opencv-python" in line_of("bad.py:Net")


def test_a_module_in_the_folder_above_is_pointed_at(folder: Path) -> None:
    write(folder / "above_parts.py", "")
    write(folder / "sub/bad.py", "import above_parts_x\n")
    write(folder / "above_parts_x/blocks.py", "")
    import os

    os.chdir(folder / "sub")
    assert "but the folder above holds one: start nnreport there" in line_of("bad.py:Net")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("surely_not_there:Net", "the package 'surely_not_there' is not installed: pip install surely_not_there"),
        ("torch.nothing:Net", "the package torch has no module torch.nothing"),
        ("torch.nn:Liner", "torch.nn has no 'Liner'; did you mean Linear?"),
        ("torch.nn:Linear(3)", "missing a required argument: 'out_features'"),
        ("torch.nn:Linear('a', 'b')", "TypeError"),
        ("transformers:BertModel", "a Hugging Face model is built from a config: write a file with def make()"),
    ],
)
def test_packages(spec: str, line: str) -> None:
    if spec.startswith("transformers"):
        pytest.importorskip("transformers")
    assert line in line_of(spec)


# ----------------------------------------------------------------------------------------------------- other options


def test_load_object_shares_the_targets_module(file: Path) -> None:
    loaded = load_target("target_file.py:net", 0)
    assert load_object("target_file.py:net", "--data", 0) is loaded.model
    assert load_object("target_file.py:make", "--loss", 0) is loaded.python.make
    assert load_object("target_file.py:make(9)", "--loss", 0).fc.out_features == 9


def test_load_object_says_what_is_wrong(file: Path) -> None:
    with pytest.raises(UsageError, match="config is a dict, write it without parentheses"):
        load_object("target_file.py:config()", "--loss", 0)
