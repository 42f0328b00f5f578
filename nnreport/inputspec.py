"""--input SPEC as it is written on the command line, parsed to plain data (no torch).

::

    SPEC  = [NAME "="] ( SHAPE [":" DTYPE] [RANGE]  |  "@" FILE  |  VALUE )
    SHAPE = sizes with commas, the first is the batch; empty for a tensor without axes
    RANGE = "[" LOW "," HIGH "]" or ")"      "[": included, ")": excluded
    VALUE = True, False, None, a quoted text or a number with a point: a Python value, passed as it is (needs NAME)
"""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnreport.errors import UsageError

#: Every dtype of torch that a plain tensor can be made of, as the user may name it.
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128",
    "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
)  # fmt: skip
#: torch's own second names.
ALIASES = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "cfloat": "complex64", "cdouble": "complex128", "chalf": "complex32",
}  # fmt: skip
#: Names of other frameworks, for a hint.
_OTHERS = {
    "fp32": "float32", "f32": "float32", "fp16": "float16", "f16": "float16", "bf16": "bfloat16", "fp64": "float64",
    "i64": "int64", "i32": "int32", "boolean": "bool", "byte": "uint8", "char": "int8",
}  # fmt: skip
_BITS = {"int64": 64, "int32": 32, "int16": 16, "int8": 8}

_NAME = re.compile(r"(?P<name>[^\W\d]\w*)\s*=\s*(?P<rest>.*)", re.DOTALL)
_RANGE = re.compile(r"(?P<before>.*?)(?P<open>[\[(])(?P<low>[^,\[\]()]*),(?P<high>[^,\[\]()]*)(?P<close>[\])])", re.DOTALL)
EXAMPLES = "e.g. --input 1,784 or --input 1,128:int64[0,30522)"


@dataclass(frozen=True)
class Interval:
    low: float
    high: float
    low_included: bool = True
    high_included: bool = False


@dataclass(frozen=True)
class InputText:
    """One --input. Exactly one of ``shape``, ``path`` and ``literal`` (with ``is_literal``) says what it is."""

    text: str
    name: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str = "float32"
    interval: Interval | None = None
    path: Path | None = None
    literal: Any = None
    is_literal: bool = False


def parse_input(text: str) -> InputText:
    """Raises UsageError, one line that shows the spelling."""
    rest, name = text.strip(), ""
    if not rest:
        raise UsageError(f"--input is empty: write the sizes with commas, {EXAMPLES}")
    if found := _NAME.fullmatch(rest):
        name, rest = found["name"], found["rest"].strip()
    if rest.startswith("@"):
        return InputText(text, name, path=_file(rest[1:], text))
    if (literal := _literal(rest)) is not None:
        if not name:
            raise UsageError(f"--input {text}: a value needs the name of its parameter, e.g. --input flag={rest}")
        return InputText(text, name, literal=literal[0], is_literal=True)
    shape_text, dtype_text, interval = _parts(rest, text)
    dtype = _dtype(dtype_text, text) if dtype_text is not None else "float32"
    if dtype_text is None and not shape_text:
        raise UsageError(f"--input {text}: no shape; write the sizes with commas, {EXAMPLES}")
    shape = _shape(shape_text, text)
    if interval is not None:
        interval = _check_interval(interval, dtype, text)
    return InputText(text, name, shape=shape, dtype=dtype, interval=interval)


def _file(where: str, text: str) -> Path:
    from nnreport.spec import require_file

    if not where:
        raise UsageError(f"--input {text}: a file name follows the @, e.g. --input @sample.pt")
    path = Path(where)
    try:
        require_file(path)
    except UsageError as error:
        raise UsageError(f"--input {text}: {error}") from None
    return path


def _literal(rest: str) -> tuple[Any] | None:
    """A Python value in a tuple, None if the text is a shape."""
    if rest in ("True", "False", "None"):
        return ({"True": True, "False": False, "None": None}[rest],)
    if rest[:1] in "'\"" or re.fullmatch(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?", rest):
        try:
            return (ast.literal_eval(rest),)
        except (ValueError, SyntaxError):
            return None
    return None


def _parts(rest: str, text: str) -> tuple[str, str | None, Interval | None]:
    """Shape, dtype and range as texts."""
    bare = re.fullmatch(r"[\[(]([^\[\]()]*)[\])]", rest)
    if bare and (":" not in rest):
        sizes = ",".join(part.strip() for part in bare[1].split(",") if part.strip())
        raise UsageError(f"--input {text}: a shape has no brackets; write --input {sizes}")
    interval = None
    if "[" in rest or "(" in rest:
        found = _RANGE.fullmatch(rest)
        if found is None:
            raise UsageError(f"--input {text}: a range is [LOW,HIGH) or [LOW,HIGH], at the end, e.g. 1,128:int64[0,30522)")
        interval = Interval(_bound(found["low"], text), _bound(found["high"], text), found["open"] == "[", found["close"] == "]")
        rest = found["before"].strip()
    shape_text, colon, dtype_text = rest.partition(":")
    dtype_text = dtype_text.strip()
    if colon and not dtype_text and interval is None:
        raise UsageError(f"--input {text}: a dtype follows the colon, e.g. --input {shape_text or '1'}:int64")
    return shape_text.strip(), (dtype_text or "float32") if colon else None, interval


def _bound(part: str, text: str) -> float:
    part = part.strip()
    try:
        value = int(part) if re.fullmatch(r"[-+]?\d+", part) else float(part)
    except ValueError:
        raise UsageError(f"--input {text}: {part!r} is no number; a range is [LOW,HIGH), e.g. [0,30522)") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise UsageError(f"--input {text}: a range needs finite ends, not {part}")
    return value


def _shape(part: str, text: str) -> tuple[int, ...]:
    if not part:
        return ()
    sizes = [size.strip() for size in part.rstrip(",").split(",")]
    if all(re.fullmatch(r"\d+", size) for size in sizes):
        shape = tuple(int(size) for size in sizes)
        if 0 in shape:
            raise UsageError(f"--input {text}: a size of 0 makes an input without elements; write sizes of at least 1")
        return shape
    mended = [re.sub(r"\s*[x×X*; /]\s*", ",", size) for size in sizes]
    if all(re.fullmatch(r"\d+(,\d+)*", size) for size in mended):
        rest = text.strip()[text.strip().find(part) + len(part) :]
        raise UsageError(f"--input {text}: the sizes stand with commas; write --input {','.join(mended)}{rest}")
    bad = next(size for size in sizes if not re.fullmatch(r"\d+", size))
    if re.fullmatch(r"-\d+", bad):
        raise UsageError(
            f"--input {text}: a size cannot be negative ({bad}); give every axis a number, the batch too: --input 1,784"
        )
    if bad in DTYPES or bad in ALIASES:
        raise UsageError(f"--input {text}: the dtype follows a colon; write --input 1,784:{bad}")
    if "." in bad and Path(bad).suffix.lower() in (".pt", ".npy", ".npz", ".safetensors", ".png", ".jpg", ".jpeg"):
        raise UsageError(f"--input {text}: a file has an @ before it; write --input @{bad}")
    raise UsageError(f"--input {text}: {bad!r} is no size; write whole numbers with commas, {EXAMPLES}")


def _dtype(part: str, text: str) -> str:
    name = part.removeprefix("torch.")
    name = ALIASES.get(name, name)
    if name in DTYPES:
        return name
    near = _OTHERS.get(name.lower()) or next(iter(difflib.get_close_matches(name.lower(), DTYPES, n=1, cutoff=0.6)), "")
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(f"--input {text}: no dtype {part!r}; {hint}known: {', '.join(DTYPES)}")


def _check_interval(interval: Interval, dtype: str, text: str) -> Interval:
    low, high = interval.low, interval.high
    closed = interval.low_included and interval.high_included
    if low > high or (low == high and not closed):
        raise UsageError(f"--input {text}: the range is empty: {low} to {high}")
    if dtype == "bool":
        raise UsageError(f"--input {text}: bool takes no range")
    if "int" not in dtype:
        return interval
    if not (isinstance(low, int) and isinstance(high, int)):
        raise UsageError(f"--input {text}: the range of {dtype} needs whole numbers")
    first = low if interval.low_included else low + 1
    last = high if interval.high_included else high - 1
    if first > last:
        raise UsageError(f"--input {text}: there is no whole number in that range")
    bits = _BITS.get(dtype)
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits else (0, 2 ** int(dtype.removeprefix("uint")) - 1)
    if first < least or last > most:
        raise UsageError(f"--input {text}: {dtype} holds {least} to {most}, not {low} to {high}")
    return Interval(first, last, True, True)
