"""Safetensors files read without the safetensors package: an 8-byte length, a JSON header, and the tensors memory-mapped.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from nnreport.errors import UsageError

_HEADER_LIMIT = 100_000_000
"""The format's own limit."""

#: The format's dtypes -> torch's, where this torch has them.
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip


def read_safetensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) in the file's order; the tensors are views of the mapped file, which is not read before they are.

    Raises UsageError where the file is no safetensors file or contradicts itself.
    """
    with open(path, "rb") as file:
        header, start = _header(file.read(8), file, path)
        size = path.stat().st_size
        # a private mapping: writable for torch, and nothing is ever written back
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if size else b""
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        yield name, _tensor(name, entry, memory, start, size, path)


def _header(prefix: bytes, file: Any, path: Path) -> tuple[dict[str, Any], int]:
    if len(prefix) < 8:
        raise UsageError(f"{path} is no safetensors file: it has {len(prefix)} bytes")
    (length,) = struct.unpack("<Q", prefix)
    if length > min(_HEADER_LIMIT, path.stat().st_size - 8):
        raise UsageError(f"{path} is no safetensors file, or it is cut short: its header would be {length} bytes long")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no safetensors file: its header is no JSON") from None
    if not isinstance(header, dict):
        raise UsageError(f"{path} is no safetensors file: its header is no JSON object")
    return header, 8 + length


def _tensor(name: str, entry: Any, memory: Any, start: int, size: int, path: Path) -> torch.Tensor:
    try:
        shape = [int(each) for each in entry["shape"]]
        low, high = (int(each) for each in entry["data_offsets"])
        dtype_name = str(entry["dtype"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path}: the header's entry of {name!r} is not as the format says") from None
    dtype = getattr(torch, _DTYPES.get(dtype_name, ""), None) if dtype_name in _DTYPES else None
    if dtype is None:
        raise UsageError(f"{path}: {name!r} is of type {dtype_name}, which this torch ({torch.__version__}) does not have")
    count = math.prod(shape)
    width = torch.empty(0, dtype=dtype).element_size()
    if min(shape, default=0) < 0 or low < 0 or high - low != count * width or start + high > size:
        raise UsageError(f"{path} is damaged or cut short: {name!r} does not lie within the file as its header says")
    if not count:
        return torch.empty(shape, dtype=dtype)
    offset = start + low
    if offset % width:  # torch reads aligned memory only
        return torch.frombuffer(memory, dtype=torch.uint8, count=high - low, offset=offset).clone().view(dtype).reshape(shape)
    return torch.frombuffer(memory, dtype=dtype, count=count, offset=offset).reshape(shape)
