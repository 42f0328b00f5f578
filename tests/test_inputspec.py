"""--input SPEC: every spelling, and the one line for each wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnreport.errors import UsageError
from nnreport.inputspec import ALIASES, DTYPES, Interval, parse_input


def test_shape() -> None:
    spec = parse_input("1,784")
    assert (spec.shape, spec.dtype, spec.interval, spec.name) == ((1, 784), "float32", None, "")


def test_spaces_and_trailing_comma() -> None:
    assert parse_input(" 1, 3, 4, ").shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1,128:int64[0,30522)", Interval(0, 30521, True, True)),
        ("1,128:int64[0,9]", Interval(0, 9, True, True)),
        ("1,128:int64(0,9]", Interval(1, 9, True, True)),
        ("2:uint8[0,256)", Interval(0, 255, True, True)),
        ("2:int8[-128,127]", Interval(-128, 127, True, True)),
        ("2[0,1]", Interval(0, 1, True, True)),
        ("2:[0,1)", Interval(0, 1, True, False)),
        ("2:float16[-1.5,1e3)", Interval(-1.5, 1000.0, True, False)),
        ("2:complex64[-1,1]", Interval(-1, 1, True, True)),
    ],
)
def test_range(text: str, interval: Interval) -> None:
    assert parse_input(text).interval == interval


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: str) -> None:
    assert parse_input(f"1,2:{dtype}").dtype == dtype
    assert parse_input(f"1,2:torch.{dtype}").dtype == dtype


def test_torchs_second_names() -> None:
    assert {alias: parse_input(f"1:{alias}").dtype for alias in ALIASES} == ALIASES


def test_without_axes() -> None:
    spec = parse_input(":int64[0,10)")
    assert spec.shape == ()
    assert spec.interval == Interval(0, 9, True, True)


def test_keyword() -> None:
    spec = parse_input("pixel_values=1,3,224,224")
    assert (spec.name, spec.shape) == ("pixel_values", (1, 3, 224, 224))


@pytest.mark.parametrize(("text", "value"), [("True", True), ("None", None), ("'mean'", "mean"), ("0.5", 0.5)])
def test_python_value(text: str, value: object) -> None:
    spec = parse_input(f"flag={text}")
    assert spec.is_literal
    assert spec.literal == value


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "a=b.npy"
    path.write_bytes(b"")
    assert parse_input(f"@{path}").path == path
    assert parse_input(f"x=@{path}").name == "x"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "--input is empty: write the sizes with commas"),
        ("1x784", "write --input 1,784"),
        ("1×3×8", "write --input 1,3,8"),
        ("1 784", "write --input 1,784"),
        ("1;784:int64", "write --input 1,784:int64"),
        ("(1,784)", "a shape has no brackets; write --input 1,784"),
        ("[1, 784]", "a shape has no brackets; write --input 1,784"),
        ("-1,784", "a size cannot be negative (-1)"),
        ("B,784", "'B' is no size"),
        ("1,,2", "'' is no size"),
        ("0,784", "a size of 0"),
        ("1.5", "a value needs the name of its parameter"),
        ("1,784:", "a dtype follows the colon"),
        ("1,784:float3", "no dtype 'float3'; did you mean float32? known: float32, float64"),
        ("1,784:fp16", "did you mean float16?"),
        ("1,784,int64", "the dtype follows a colon; write --input 1,784:int64"),
        ("1,784:int64[0,3", "a range is [LOW,HIGH)"),
        ("1,784:int64[0..3)", "a range is [LOW,HIGH)"),
        ("1,784:int64[a,3)", "'a' is no number"),
        ("1,784:int64[0,inf)", "needs finite ends"),
        ("1,784:int64[3,3)", "the range is empty"),
        ("1,784:int64[5,3)", "the range is empty"),
        ("1,784:int64(3,4)", "no whole number in that range"),
        ("1,784:int64[0,1.5)", "needs whole numbers"),
        ("1,784:int8[0,500)", "int8 holds -128 to 127"),
        ("1,784:uint8[-1,3)", "uint8 holds 0 to 255"),
        ("1,784:bool[0,1]", "bool takes no range"),
        ("@", "a file name follows the @"),
        ("@nope.pt", "no such file: nope.pt"),
        ("sample.pt", "a file has an @ before it; write --input @sample.pt"),
        ("x=", "no shape"),
    ],
)
def test_wrong_spelling_is_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input(text)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_near_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.pt").write_bytes(b"")
    with pytest.raises(UsageError, match=r"did you mean sample\.pt"):
        parse_input("@sampel.pt")
