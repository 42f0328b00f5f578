"""The processes of a distributed run bring together what each has seen: all but the first leave a file, the first reports.

They meet in a folder named after the launcher's run; files of an earlier run of the same name are older than this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nnreport.facts import RankRun, Run

PATIENCE = 10.0
"""Seconds that the first process waits for the others, once its own script has ended."""
POLL = 0.05
NAMES = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")
"""What tells one run from another on the same machine."""
BORN = time.time()


def rank_and_world(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """(number of this process, number of processes), as torchrun and its like say; (0, 1) without."""
    try:
        rank, world = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
    return (rank, world) if 0 <= rank < world else (0, 1)


def meeting_place(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder in which the processes of this run meet, this user's alone."""
    words = [environment.get(name, "") for name in NAMES]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(words[:3])).strip("-")[:60]
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"nnreport-{user}-{readable}-{digest}"


def made(folder: Path) -> bool:
    """The folder is there, and nobody else's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    return folder.is_dir() and not folder.is_symlink() and (not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid())


def hand_over(run: Run | None, rank: int, folder: Path) -> None:
    """Leaves what this process saw; nothing known is told, too, so that nobody waits for it."""
    mine = run.ranks[0] if run is not None and run.ranks else RankRun(rank=rank)
    try:
        if made(folder):
            file = folder / f"{rank}.json"
            waiting = file.with_suffix(f".{os.getpid()}")
            waiting.write_bytes(msgspec.json.encode(mine))
            waiting.replace(file)
    except OSError:  # a full or read-only disk: the report is made without it
        return


def bring_together(run: Run, world: int, folder: Path, patience: float = PATIENCE) -> list[int]:
    """Adds the other processes' records to ``run.ranks``, in their order, and gives the numbers of those that told nothing."""
    missing = set(range(1, world))
    until = time.monotonic() + patience
    while True:
        for rank in sorted(missing):
            file = folder / f"{rank}.json"
            with contextlib.suppress(OSError, msgspec.DecodeError):
                if file.stat().st_mtime >= BORN - 1 and file.stat().st_uid == folder.stat().st_uid:
                    run.ranks.append(msgspec.json.decode(file.read_bytes(), type=RankRun))
                    missing.discard(rank)
        if not missing or time.monotonic() > until:
            break
        time.sleep(POLL)
    run.ranks.sort(key=lambda each: each.rank)
    shutil.rmtree(folder, ignore_errors=True)
    return sorted(missing)
