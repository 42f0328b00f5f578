"""What the facts were gathered on: versions and machine; no user names, host names, absolute paths or environment variables."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterable

import torch

from nnreport.facts import Environment
from nnreport.inspector.device import Device
from nnreport.job import Job

#: Packages that can change a result; named where they are loaded.
PACKAGES = (
    "numpy", "torchview", "torchvision", "torchaudio", "transformers", "timm", "lightning", "pytorch_lightning", "diffusers",
    "peft", "accelerate", "einops", "torch_geometric", "safetensors", "tokenizers", "triton", "xformers", "monai",
)  # fmt: skip

# the folders of an absolute path: "/home/me/nets/" in "/home/me/nets/a.py:Net", "C:\\nets\\" in "C:\\nets\\a.py"
_FOLDERS = re.compile(r"(?<![\w.~-])(?:[A-Za-z]:[\\/]|~[\w.-]*/|/)(?:[^:'\"=,()]*[\\/])?(?=[^\s\\/'\"=,])")


def read_environment(job: Job, choice: Device) -> Environment:
    """The environment of this inspection; packages loaded so far are named (see :func:`loaded_packages`)."""
    import psutil

    return Environment(
        python=platform.python_version(),
        torch=str(torch.__version__),
        nnreport=version("nnreport"),
        platform=f"{platform.system()} {platform.machine()}",
        packages=loaded_packages(),
        device=choice.device,
        device_name=choice.name,
        device_reason=choice.reason,
        devices=choice.devices,
        threads=torch.get_num_threads(),
        memory=psutil.virtual_memory().total,
        seed=job.seed,
        command=shown_command(job.command),
        time=now(),
    )


def loaded_packages(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Version of each package that is imported already."""
    found = {name: version(name) for name in names if name in sys.modules}
    return {name: number for name, number in found.items() if number}


def version(name: str) -> str:
    """Of an installed distribution, else of the module; ``""`` if neither tells."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(name), "__version__", ""))


def shown_command(command: str) -> str:
    """A command line with the folders of absolute paths left out."""
    try:
        return shlex.join(without_folders(word) for word in shlex.split(command))
    except ValueError:  # an unpaired quote
        return without_folders(command)


def without_folders(word: str) -> str:
    """One word of a command line, with the folders of absolute paths in it left out: ``net.py:Net``."""
    return _FOLDERS.sub("", word)


def now() -> str:
    """UTC, ISO 8601, seconds; of SOURCE_DATE_EPOCH where that is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        seconds = float(int(epoch)) if epoch else time.time()
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
