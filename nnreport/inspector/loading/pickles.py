"""``.pt`` files read without running what they hold."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from nnreport.errors import UsageError


def load_pickle(path: Path, what: str) -> Any:
    """What ``torch.save`` wrote, tensors memory-mapped where the file allows. Raises UsageError where it is unsafe or broken.

    ``what`` begins the message: ``--weights model.pt``.
    """
    zipped = zipfile.is_zipfile(path)
    if zipped:
        _refuse_archives(path, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise UsageError(_unsafe(error, what)) from None
    except (
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
        UnicodeDecodeError,
    ) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{what} cannot be read, it may be cut short or no torch file: {first[:200]}") from None


def _refuse_archives(path: Path, what: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise UsageError(f"{what} cannot be read: the archive is damaged") from None
    if any("/code/" in f"/{name}" for name in names):
        raise UsageError(
            f"{what} is a torch.jit archive, compiled code without its Python: name the class, e.g. model.py:Net, "
            "and save its weights with torch.save(model.state_dict(), …)"
        )
    if any(name.endswith(("serialized_exported_program.json", "archive_format", "models/model.json")) for name in names):
        raise UsageError(f"{what} is a torch.export archive, which cannot be read yet: name the class, e.g. model.py:Net")


def _unsafe(error: Exception, what: str) -> str:
    text = str(error)
    found = re.search(r"(?:GLOBAL|global|class|function)\s+`?([\w.]+)`?", text)
    name = found[1] if found else ""
    if not name and "nsupported" not in text and "eights" not in text:
        return f"{what} cannot be read, it may be cut short or no torch file: {(text.splitlines() or ['?'])[0][:200]}"
    holds = f" ({name})" if name else ""
    return (
        f"{what} holds pickled Python objects{holds}, which can run any code and are not loaded: "
        "save the weights alone, torch.save(model.state_dict(), …)"
    )
