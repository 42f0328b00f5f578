"""Which files hold a state dict: one file, the shards of an index, or a folder of them."""

from __future__ import annotations

import json
from pathlib import Path

from nnreport.errors import UsageError
from nnreport.spec import STATE_SUFFIXES, require_file

#: What to look for in a folder, the first that is there is taken.
_IN_FOLDER = (
    "*.safetensors.index.json", "model.safetensors", "diffusion_pytorch_model.safetensors", "*.bin.index.json",
    "pytorch_model.bin", "*.safetensors", "*.pt", "*.pth", "*.bin", "*.ckpt",
)  # fmt: skip


def state_files(path: Path) -> list[Path]:
    """The files, in the order of their names. Raises UsageError, one line, where there are none or one is missing."""
    if path.is_dir():
        for pattern in _IN_FOLDER:
            found = sorted(path.glob(pattern))
            if pattern.endswith(".index.json") and found:
                return _shards(found[0])
            if "*" not in pattern and found:
                return found
            if len(found) == 1:
                return found
            if found:
                names = ", ".join(each.name for each in found[:6])
                raise UsageError(f"{path} holds several state dicts ({names}): name one, e.g. {found[0]}")
        raise UsageError(f"{path} is a folder without a state dict ({', '.join(STATE_SUFFIXES)} or an *.index.json)")
    require_file(path)
    if path.name.lower().endswith(".index.json"):
        return _shards(path)
    if not path.name.lower().endswith(STATE_SUFFIXES):
        raise UsageError(f"{path} is no state dict: its name ends in none of {', '.join(STATE_SUFFIXES)}")
    return [path]


def _shards(index: Path) -> list[Path]:
    try:
        table = json.loads(index.read_bytes())["weight_map"]
        names = sorted({str(name) for name in table.values()})
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise UsageError(f"{index} is no index of shards: it has no weight_map") from None
    for name in names:
        if Path(name).name != name or not name.lower().endswith(STATE_SUFFIXES):
            raise UsageError(f"{index} names {name!r}, which is no state dict beside it")
        if not (index.parent / name).is_file():
            raise UsageError(f"{index} names the shard {name}, which is not there")
    if not names:
        raise UsageError(f"{index} names no shards")
    return [index.parent / name for name in names]
