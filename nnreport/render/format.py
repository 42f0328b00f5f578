"""Numbers, sizes, times, shapes and places in words: one way of writing each, for every output format.

Everything returns plain text (escape it where it goes). ``None`` is written as an em dash: "not measured" is never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from nnreport.facts import Location, Number, Scalar, TensorInfo

NOTHING = "—"
SPACE = "\N{NO-BREAK SPACE}"
SI = ("", "k", "M", "G", "T", "P", "E")
IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def finite(value: Number | None) -> float | None:
    """The number, or None where it was not measured or is not finite."""
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return None
    return float(value)


def significant(value: float, digits: int = 3) -> str:
    """``digits`` significant digits without a trailing exponent where it reads well: ``0.0123 1.20e-07 12,300``."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude >= 9:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - magnitude)
    return f"{value:,.{places}f}"


def number(value: Number | None, digits: int = 3) -> str:
    """Any number of the facts: ``0.0123``, ``NaN``, ``−∞``, ``—``. Whole ones are written out."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}.get(value, value)
    if not math.isfinite(value):
        return "NaN" if value != value else "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", "−")
    return significant(value, digits).replace("-", "−")


def scaled(value: float, units: Sequence[str], base: float, unit: str = "") -> str:
    """Three significant digits with the unit prefix that leaves one to three of them before the point."""
    step = 0
    while abs(value) >= base * (1 - 5e-4) and step < len(units) - 1:
        value /= base
        step += 1
    text = f"{value:.0f}" if step == 0 and value == int(value) else f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    return f"{text}{SPACE}{units[step]}{unit}".rstrip(SPACE)


def count(value: int | None) -> str:
    """Every digit: ``101,770``."""
    return NOTHING if value is None else f"{value:,}"


def short(value: float | None) -> str:
    """A count in short: ``102 k``, ``25.6 M``."""
    return NOTHING if value is None else scaled(value, SI, 1000)


def size(value: float | None) -> str:
    """Bytes, powers of 1024: ``398 KiB``."""
    return NOTHING if value is None else scaled(value, IEC, 1024)


def flops(value: float | None) -> str:
    """Floating-point operations (1 multiply-add is 2): ``203 kFLOP``."""
    return NOTHING if value is None else scaled(value, SI, 1000, "FLOP")


def rate(value: float | None, unit: str) -> str:
    """``120 GFLOP/s``, ``19 GB/s``."""
    return NOTHING if value is None else scaled(value, SI, 1000, unit)


def seconds(value: float | None) -> str:
    """``4.5 µs``, ``1.23 ms``, ``2.1 s``, ``3 min 4 s``."""
    if value is None:
        return NOTHING
    if value == 0:
        return f"0{SPACE}s"
    if value < 1e-3:
        return f"{value * 1e6:.3g}{SPACE}µs"
    if value < 1:
        return f"{value * 1e3:.3g}{SPACE}ms"
    if value < 60:
        return f"{value:.3g}{SPACE}s"
    return f"{int(value // 60)}{SPACE}min {int(value % 60)}{SPACE}s"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0…1: ``93.0 %``; small ones keep a digit: ``< 0.1 %``; all and nothing need none."""
    if share is None:
        return NOTHING
    if share in (0, 1):
        return f"{100 * share:.0f}{SPACE}%"
    if 0 < share < 0.5 * 10 ** -(digits + 2):
        return f"<{SPACE}{10**-digits:g}{SPACE}%"
    return f"{100 * share:.{digits}f}{SPACE}%"


def shape(dims: Sequence[int]) -> str:
    """``1×784``; a tensor without axes is ``scalar``."""
    return "×".join(str(dim) for dim in dims) if dims else "scalar"


def tensor(info: TensorInfo | None) -> str:
    """``float32 1×784``."""
    return NOTHING if info is None else f"{info.dtype} {shape(info.shape)}"


def shapes(infos: Iterable[TensorInfo], limit: int = 2) -> str:
    """The shapes of several tensors: ``1×784, 1×10`` and how many more."""
    infos = list(infos)
    more = f" +{len(infos) - limit}" if len(infos) > limit else ""
    return ", ".join(shape(info.shape) for info in infos[:limit]) + more if infos else NOTHING


def place(where: Location | None) -> str:
    """``model.py:14``."""
    return "" if where is None else f"{where.path}:{where.line}" if where.line else where.path


def module(path: str | None) -> str:
    """A module path in words: the root is ``the model``."""
    return "" if path is None else path or "the model"


def plural(n: int, noun: str, many: str = "") -> str:
    """``1 error``, ``2 errors``."""
    return f"{n:,}{SPACE}{noun if n == 1 else many or noun + 's'}"


def joined(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def elide(text: str, limit: int = 28) -> str:
    """A long name, shortened. Of a dotted path the names from the left on become their first letter, as far as it takes, so that
    ``encoder.layer.7.attention.self.query`` still tells its 7: ``e.l.7.attention.self.query``. Else the middle is left out."""
    if len(text) <= limit:
        return text
    parts = text.split(".")
    if len(parts) > 2 and all(part.isidentifier() or part.isdigit() for part in parts):
        for i, part in enumerate(parts[:-2]):
            parts[i] = part if part.isdigit() else part[0]
            if len(short := ".".join(parts)) <= limit:
                return short
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def setting(value: Scalar | Sequence[object]) -> str:
    """A literal as a reader would type it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value) + ")"
    return str(value)


def words(name: str) -> str:
    """An evidence name as words: ``dead_units`` → ``dead units``."""
    return name.replace("_", " ")


SHARES = {"dead_units", "dead_before_training", "share", "share_of_time", "share_of_flops", "saturated", "at_first_step", "zeros"}
"""Names of evidence that are shares of a whole, 0…1; where a finding has one, so is its limit."""


def measured(evidence: Mapping[str, Number | str | bool | None]) -> list[tuple[str, str]]:
    """A finding's evidence as (words, value); shares in per cent, as its message has them."""
    shares = SHARES | ({"limit"} if SHARES & evidence.keys() else set())
    return [(words(name), percent_of(value) if name in shares else measure(value)) for name, value in evidence.items()]


def percent_of(value: Number | str | bool | None) -> str:
    """``62.5 %``; what is no share is written as it is."""
    if isinstance(value, bool | str) or value is None or not 0 <= value <= 1:
        return measure(value)
    return f"{100 * value:.4g}{SPACE}%"


def measure(value: Number | str | bool | None) -> str:
    """A value of a finding's evidence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 4) if isinstance(value, int | float) or value is None else {"nan": "NaN", "inf": "∞"}.get(value, value)
