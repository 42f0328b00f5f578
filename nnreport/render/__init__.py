"""One file an output format, each a pure function ``render(report)`` of one report; and :func:`save`, which chooses by suffix.

A format that cannot hold everything also has ``with_notes(report)``, which gives the same and sentences on what is missing.
A format's module is imported only when it is asked for: the PDF alone needs WeasyPrint, the pages alone need Jinja2.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

from nnreport.errors import UsageError
from nnreport.render.repository import here
from nnreport.report import Report

FORMATS = {".html": "html", ".pdf": "pdf", ".json": "json", ".md": "markdown", ".sarif": "sarif"}
"""Suffix -> module of this room."""
ALIASES = {".htm": ".html", ".markdown": ".md"}


def save(report: Report, path: str | Path) -> list[str]:
    """Write the report in the format that the suffix of ``path`` names. The file is there whole or not at all.

    Returns:
        Sentences that the reader should be told (what the format could not hold); usually none.

    Raises:
        UsageError: unknown suffix, a folder that cannot be written, or a library that the format needs is missing.
    """
    path = Path(path)
    module = importlib.import_module(f"{__name__}.{format_of(path)}")
    rendered: str | bytes
    options = placing(module.__name__.rpartition(".")[2])
    with_notes = getattr(module, "with_notes", None)
    rendered, notes = with_notes(report, **options) if with_notes else (module.render(report, **options), [])
    data = rendered.encode("utf-8", "replace") if isinstance(rendered, str) else rendered
    with usage_errors(path):
        write(path, data)
    return list(notes)


def placing(name: str) -> dict[str, Any]:
    """What a format that names lines of a repository is told of the working directory's place in it."""
    if name == "sarif":
        return {"place": here()}
    return {"base": here().base} if name == "markdown" else {}


def warm(outputs: Iterable[str | Path]) -> None:
    """Import what will draw these files, so that a caller who waits for the inspector uses the time; raises nothing."""
    for output in outputs:
        name = FORMATS.get(ALIASES.get(suffix := Path(output).suffix.lower(), suffix), "markdown")
        with contextlib.suppress(Exception):
            module = importlib.import_module(f"{__name__}.{name}")
            if prepare := getattr(module, "warm", None):
                prepare()


def format_of(path: Path) -> str:
    """Name of the format that a path's suffix stands for.

    Raises:
        UsageError: no or an unknown suffix; the message names the known ones.
    """
    suffix = path.suffix.lower()
    name = FORMATS.get(ALIASES.get(suffix, suffix))
    if name is None:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        raise UsageError(f"-o {path} has {found}; known are {' '.join(FORMATS)} (and - for Markdown on standard output)")
    return name


@contextlib.contextmanager
def usage_errors(path: Path) -> Iterator[None]:
    """Failures of the file system as one line for the user."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"-o {path} cannot be written: {error.strerror or error}") from None


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside the target first, then renamed over it; what was begun is removed on failure.

    A link keeps pointing where it points; what is no regular file (``/dev/stdout``, a pipe) is written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    part = target.with_name(f".{target.name[:100]}.{token_hex(4)}.part")
    try:
        # Not tempfile: its files are for their owner's eyes only, a report is for whoever may read the folder.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
        if target.exists():
            os.chmod(part, stat.S_IMODE(target.stat().st_mode))
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
