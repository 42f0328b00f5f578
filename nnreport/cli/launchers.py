"""A launcher given where a script belongs: how to spell it the other way round."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from nnreport.errors import UsageError

PYTHON = re.compile(r"python(\d+(\.\d+)?)?(\.exe)?$")
SELF = ["-m", "nnreport", "run"]


def check_launcher(script: str, arguments: Sequence[str], module: bool) -> None:
    """A launcher starts the processes that train, and watches none of them: nnreport has to stand behind it.

    Raises:
        UsageError: ``script`` is one; the line says how to spell the command.
    """
    name = "torchrun" if module and script in ("torch.distributed.run", "torch.distributed.launch") else os.path.basename(script)
    if not module and Path(script).suffix == ".py":
        return
    if module and name not in ("torchrun", "accelerate.commands.launch"):
        return
    arguments, start = list(arguments), SELF
    if name == "torchrun":
        words = ["torchrun"]
    elif name == "accelerate.commands.launch":
        words = ["accelerate", "launch"]
    elif name == "accelerate" and arguments[:1] == ["launch"]:
        words, arguments = ["accelerate", "launch"], arguments[1:]
    elif name == "deepspeed":
        words, start = ["deepspeed"], ["--module", "nnreport", "run"]
    elif name in ("mpirun", "mpiexec", "srun"):
        words, start = [name], ["python", *SELF]
    elif PYTHON.match(name):
        words, start = [], ["nnreport", "run"]
    else:
        return
    raise UsageError(f"{name} starts other processes; put nnreport behind it: {spelled(words, start, arguments)}")


def spelled(words: list[str], start: list[str], arguments: list[str]) -> str:
    """The command line with ``start`` before the script: before the first argument that is a Python file or ``-m``."""
    at = next((i for i, each in enumerate(arguments) if each.endswith(".py") or each in ("-m", "--module")), None)
    if at is None:
        return shlex.join([*words, *start]) + " train.py"
    rest = arguments[at:]
    before = arguments[:at]
    if before and PYTHON.match(os.path.basename(before[-1])):
        before.pop()
    if rest[0] == "--module":
        rest[0] = "-m"
    return shlex.join([*words, *(before if words else []), *start, *rest])
