"""A comparison as JSON: one object with ``schema`` and ``kind``, for programs."""

from __future__ import annotations

import msgspec

from nnreport.compare.records import Comparison
from nnreport.store import finite


def render(comparison: Comparison) -> bytes:
    """UTF-8 JSON, keys in the order of the records, indented, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(finite(msgspec.to_builtins(comparison))), indent=1) + b"\n"
