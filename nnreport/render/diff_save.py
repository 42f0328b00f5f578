"""Writes a comparison in the format that a file's suffix names."""

from __future__ import annotations

import importlib
from pathlib import Path

from nnreport.compare.records import Comparison
from nnreport.render import ALIASES, usage_errors, write

FORMATS = {".html": "diff_html", ".pdf": "diff_pdf", ".json": "diff_json", ".md": "diff_markdown"}
"""Suffix -> module of this room."""


def save(comparison: Comparison, path: Path) -> list[str]:
    """Write it, whole or not at all; sentences that the reader should be told.

    Raises:
        UsageError: the file cannot be written, or a library that the format needs is missing.
    """
    suffix = path.suffix.lower()
    module = importlib.import_module(f"nnreport.render.{FORMATS[ALIASES.get(suffix, suffix)]}")
    made, notes = module.with_notes(comparison) if hasattr(module, "with_notes") else (module.render(comparison), [])
    with usage_errors(path):
        write(path, made.encode("utf-8", "replace") if isinstance(made, str) else made)
    return list(notes)
