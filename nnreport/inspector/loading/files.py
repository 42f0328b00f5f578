"""``--input @FILE``: real data from .pt, .npy, .npz, .safetensors and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nnreport.errors import UsageError
from nnreport.inspector.feeding.nested import map_tensors, tensors

TENSOR_SUFFIXES = (".pt", ".pth", ".npy", ".npz", ".safetensors")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")


def read_input_file(path: Path, channels: int = 3) -> Any:
    """A tensor, or a tuple, list or dict of them, as the file holds it; an image is float32 ``[1, channels, H, W]`` in 0..1.

    Raises UsageError where it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return _image(path, channels)
    if suffix == ".npy":
        return _array(path)
    if suffix == ".npz":
        return _arrays(path)
    if suffix == ".safetensors":
        from nnreport.inspector.weighing.statedict import read_state

        return {name: tensor.clone() for name, tensor in read_state(path)}
    if suffix in (".pt", ".pth"):
        return _torch(path)
    known = ", ".join(TENSOR_SUFFIXES + IMAGE_SUFFIXES[:3])
    raise UsageError(f"--input @{path}: cannot read {suffix or 'a file without a suffix'}; known: {known}")


def _torch(path: Path) -> Any:
    from nnreport.inspector.loading.pickles import load_pickle

    value = load_pickle(path, f"--input @{path}")
    if isinstance(value, torch.nn.Module) or not tensors(value):
        raise UsageError(f"--input @{path} holds {type(value).__name__}, not a tensor (or a tuple, list or dict of tensors)")
    return map_tensors(value, lambda tensor: tensor.detach().clone())


def _array(path: Path) -> torch.Tensor:
    import numpy

    try:
        return _to_tensor(numpy.load(path, allow_pickle=False), path)
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(f"--input @{path}: cannot read it: {str(error).splitlines()[0]}") from None


def _arrays(path: Path) -> Any:
    import zipfile

    import numpy

    try:
        with numpy.load(path, allow_pickle=False) as archive:
            found = {name: _to_tensor(archive[name], path) for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"--input @{path}: cannot read it: {str(error).splitlines()[0]}") from None
    if all(name.startswith("arr_") for name in found):  # numpy.savez(file, x, y): by position
        return tuple(found.values()) if len(found) != 1 else next(iter(found.values()))
    return found


def _to_tensor(array: Any, path: Path) -> torch.Tensor:
    """float64, NumPy's default, becomes float32."""
    import numpy

    if array.dtype.kind in "OUSVMm":
        raise UsageError(f"--input @{path} holds an array of {array.dtype}, not of numbers")
    if array.dtype == numpy.float64:
        array = array.astype(numpy.float32)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(numpy.ascontiguousarray(array).copy().reshape(array.shape))


def _image(path: Path, channels: int) -> torch.Tensor:
    try:
        from PIL import Image
    except ImportError:
        raise UsageError(f"--input @{path}: reading images takes Pillow: pip install pillow") from None
    import numpy

    try:
        with Image.open(path) as image:
            pixels = numpy.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=numpy.float32) / 255.0
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"--input @{path}: cannot read the image: {str(error).splitlines()[0]}") from None
    tensor = torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1))
    return tensor.permute(2, 0, 1).unsqueeze(0).contiguous()
