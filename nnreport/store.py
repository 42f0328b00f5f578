"""Reports as JSON: written so that nothing breaks the file, read so that old and foreign files get a clear answer.

The JSON has a version, :data:`nnreport.report.SCHEMA`. Files of older versions stay readable (one of each is kept under
``tests/fixtures``), unknown keys are ignored, a newer version is refused with one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from nnreport.checks.runner import copy_without_source
from nnreport.errors import UsageError
from nnreport.facts import Record, number
from nnreport.report import SCHEMA, Report

INDENT_BELOW = 2_000_000
"""Bytes. Smaller files are indented for people; larger ones are one line, which is a third of the size and of the time."""


def dump(report: Report) -> bytes:
    """The report as UTF-8 JSON without the user's source text, keys in the order of the records, ending in a newline."""
    saved = msgspec.structs.replace(report, facts=copy_without_source(report.facts))
    data = msgspec.json.encode(finite(msgspec.to_builtins(saved)))
    if len(data) < INDENT_BELOW:
        data = msgspec.json.format(data, indent=1)
    return data + b"\n"


def finite(value: Any) -> Any:
    """The same plain data with ``"nan"``, ``"inf"`` and ``"-inf"`` for floats that JSON cannot hold (they would become null,
    which means “not measured”)."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return number(value) if isinstance(value, float) else value


def load(path: str | Path) -> Report:
    """Read a report that :func:`dump` wrote, of this or an older version.

    Raises:
        UsageError: no such file, no JSON, no report, or a report of a newer version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}; a report is saved with -o report.json") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return parse(data, str(path))


def parse(data: bytes, name: str = "the report") -> Report:
    """A report from the bytes of its JSON; ``name`` stands in the messages.

    Raises:
        UsageError: see :func:`load`.
    """
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is no JSON ({error}); a report is saved with -o report.json") from None
    if isinstance(raw, dict) and raw.get("kind") == "comparison":
        raise UsageError(f"{name} is a comparison of two reports (nnreport diff), no report; one is saved with -o report.json")
    if not isinstance(raw, dict) or not isinstance(raw.get("schema"), int) or not isinstance(raw.get("model"), dict):
        raise UsageError(
            f"{name} is JSON, but no nnreport report (it lacks “schema” and “model”); one is saved with -o report.json"
        )
    if raw["schema"] > SCHEMA:
        raise UsageError(f"{name} has schema {raw['schema']}, this nnreport reads up to {SCHEMA}: pip install --upgrade nnreport")
    try:
        return convert(raw)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name} is no valid nnreport report: {error}") from None


def convert(raw: dict[str, Any]) -> Report:
    """Plain data to records. A non-finite value in a plain float field needs the lax reading, which makes floats of all names
    ``"nan"``; it is the exception, and the fields that hold names get them back."""
    try:
        return msgspec.convert(raw, Report)
    except msgspec.ValidationError:
        report = msgspec.convert(raw, Report, strict=False)
        rename(report)
        return report


def rename(value: Any) -> None:
    """In all records below: names for non-finite floats in fields of type :data:`~nnreport.facts.Number`."""
    if isinstance(value, Record):
        for field in msgspec.structs.fields(value):
            item = getattr(value, field.name)
            if "'nan'" in repr(field.type):
                setattr(value, field.name, finite(item))
            else:
                rename(item)
    elif isinstance(value, (list, dict)):
        for item in value if isinstance(value, list) else value.values():
            rename(item)
