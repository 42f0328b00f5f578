"""What the tests share: the command line as a user calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture
def nnreport(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Runs ``nnreport ARGS`` in a folder of its own.

    ``nnreport("m.py:Net", "--input", "1,4", files={"m.py": "…"})`` gives ``status``, ``out``, ``err``, ``report`` (the JSON as a
    dict, or None) and ``folder``.
    """

    def run(
        *arguments: str, files: dict[str, str] | None = None, json_report: bool = True, timeout: float = 120
    ) -> SimpleNamespace:
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        out = tmp_path / "out.json"
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "nnreport", *arguments, *(["-o", str(out)] if json_report else [])],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        report = json.loads(out.read_text()) if out.exists() else None
        return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr, report=report, folder=tmp_path)

    return run
