"""TARGET: every spelling, and the one line for each wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnreport.errors import UsageError
from nnreport.spec import parse_literals, parse_reference, parse_target


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("")
    (tmp_path / "net (old).py").write_text("")
    (tmp_path / "w.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "shards").mkdir()
    return tmp_path


def test_class_in_a_file() -> None:
    reference = parse_target("model.py:SimpleNet").reference
    assert reference is not None
    assert (reference.path, reference.module, reference.name, reference.called) == (Path("model.py"), "", "SimpleNet", False)


def test_file_alone() -> None:
    reference = parse_target("model.py").reference
    assert reference is not None
    assert reference.name == ""


def test_arguments_are_literals() -> None:
    reference = parse_target('model.py:Net(3, [1, 2], hidden=-64, act="gelu:(x)", deep={"a": None})').reference
    assert reference is not None
    assert reference.args == (3, [1, 2])
    assert reference.kwargs == {"hidden": -64, "act": "gelu:(x)", "deep": {"a": None}}


def test_package() -> None:
    reference = parse_target('timm:create_model("vit_tiny")').reference
    assert reference is not None
    assert (reference.path, reference.module, reference.name, reference.args) == (None, "timm", "create_model", ("vit_tiny",))
    nested = parse_target("pkg.mod:Auto.from_config").reference
    assert nested is not None
    assert (nested.module, nested.name) == ("pkg.mod", "Auto.from_config")


def test_parentheses_in_a_path() -> None:
    reference = parse_target("net (old).py:Net(1)").reference
    assert reference is not None
    assert reference.path == Path("net (old).py")
    assert reference.args == (1,)


def test_drive_letter_is_no_package() -> None:
    with pytest.raises(UsageError, match=r"no such file: C:\\nets\\a.py"):
        parse_target(r"C:\nets\a.py:Net")


@pytest.mark.parametrize("text", ["w.safetensors", "shards"])
def test_state_dict(text: str) -> None:
    spec = parse_target(text)
    assert spec.kind == "state"
    assert spec.state == Path(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "TARGET is empty"),
        ("nope.py:Net", "no such file: nope.py"),
        ("mdel.py:Net", "no such file: mdel.py; did you mean model.py?"),
        ("nowhere/model.py:Net", "there is no folder nowhere either"),
        ("model:Net(", "a parenthesis is not closed"),
        ("model.py:Net(1", "a parenthesis is not closed; quote it"),
        ("model.py:", "nothing follows the colon; write model.py:Name"),
        ("model.py:3D", "'3D' is no name of a class or function"),
        ("Net", "no such file; write file.py:Name or package.module:Name"),
        ("model", "did you mean model.py?"),
        ("notes.txt", "neither a Python file nor a state dict"),
        ("notes.txt:Net", "notes.txt is no Python file"),
        ("sub-dir/model:Net", "no such file: sub-dir/model"),
        ("v.safetensors", "no such file: v.safetensors; did you mean w.safetensors?"),
        ("net.pt2", "torch.export archives (.pt2) cannot be read yet"),
        ("net.onnx", "ONNX files cannot be read"),
        ("model.py:Net(act=gelu)", 'a text needs quotes: act="gelu"'),
        ("model.py:Net(2 + x)", "2 + x is no literal"),
        ("model.py:Net(__import__('os').system('true'))", "is no literal"),
        ("model.py:Net(*[1])", "cannot be unpacked"),
        ("model.py:Net(**{})", "cannot be unpacked"),
        ("model.py:Net(1)(2)", "write one pair of parentheses"),
        ("model.py:Net(a=1, a=2)", "a is given twice"),
        ("model.py:Net(1,,2)", "cannot read the arguments"),
    ],
)
def test_wrong_spelling_is_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_evaluated(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    with pytest.raises(UsageError):
        parse_literals(f"(open({str(proof)!r}, 'w'))", "Net")
    assert not proof.exists()


def test_an_option_needs_a_name() -> None:
    with pytest.raises(UsageError, match=r"--data model\.py: name what to use from the file"):
        parse_reference("model.py", "--data")


def test_names_in_any_script(folder: Path) -> None:
    reference = parse_target("model.py:神经网络(2)").reference
    assert reference is not None
    assert (reference.name, reference.args) == ("神经网络", (2,))
    with pytest.raises(UsageError):
        parse_target("model.py:2Net")


@pytest.mark.parametrize("text", ["package.module.Net", "package.module.Net(2)"])
def test_a_dot_for_a_colon(text: str) -> None:
    with pytest.raises(UsageError, match=r"package\.module:Net"):
        parse_target(text)


def test_a_missing_file_of_another_kind_is_no_package(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("model.oynx")
    assert "colon" not in str(caught.value)
