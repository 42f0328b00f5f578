"""What to say of a package that is not there: its name at the package index, or the user's folder that holds it."""

from __future__ import annotations

import sys
from pathlib import Path

#: Import name -> distribution, where the two differ.
DISTRIBUTIONS = {
    "PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "skimage": "scikit-image", "yaml": "pyyaml",
    "pytorch_lightning": "pytorch-lightning", "torch_geometric": "torch-geometric", "mmcv": "mmcv", "attr": "attrs",
    "bs4": "beautifulsoup4", "dateutil": "python-dateutil", "tensorboardX": "tensorboardX", "open_clip": "open-clip-torch",
    "segmentation_models_pytorch": "segmentation-models-pytorch", "sentence_transformers": "sentence-transformers",
    "efficientnet_pytorch": "efficientnet-pytorch", "flash_attn": "flash-attn", "mamba_ssm": "mamba-ssm", "clip": "openai-clip",
    "hydra": "hydra-core", "google": "protobuf", "xformers": "xformers", "opt_einsum": "opt-einsum",
}  # fmt: skip

#: Names that are nearly always the user's own file, though packages of that name exist.
_LOCAL = ("utils", "models", "model", "layers", "modules", "config", "configs", "common", "data", "dataset", "helpers", "src")
_LEVELS = 3


def missing_package(top: str, folder: Path, name: str = "") -> str:
    """One sentence about the import name ``top`` that was not found from ``folder``."""
    name = name or top
    if top in sys.modules and name != top:
        return f"there is no module {name!r} in the package {top}"
    here = folder.resolve()
    for parent in [here, *here.parents][: _LEVELS + 1]:
        if (parent / f"{top}.py").is_file() or (parent / top).is_dir():
            up = "the folder above" if parent == here.parent else f"the folder {parent.name}"
            return f"no module {name!r} on the path, but {up} holds one: start nnreport there, or put it on PYTHONPATH"
    if top in (
        "utils",
        "models",
        "model",
        "layers",
        "modules",
        "config",
        "configs",
        "common",
        "data",
        "dataset",
        "helpers",
        "src",
    ):
        return f"no module {name!r} beside the file or in the working directory: start nnreport in the folder that holds it"
    return f"the package {top!r} is not installed: pip install {DISTRIBUTIONS.get(top, top)}"
