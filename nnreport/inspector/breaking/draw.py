"""A tensor in the terminal: numbers, a map of shades, a histogram. Characters alone, no display needed."""

from __future__ import annotations

import shutil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SHADES = " .:-=+*#%@"
"""Smallest to largest."""
FEW = 64
"""Tensors of at most so many elements are shown as numbers."""
WIDEST, HIGHEST = 100, 28
"""Characters of a map."""
BINS = 16
NUMBERS = (12, 8)
"""Rows and columns that are written out."""
IMAGES = 3
"""Channels or samples that are drawn side by side at most."""
HOWS = ("auto", "numbers", "map", "histogram")


def show(value: Any, how: str = "auto") -> None:
    """Prints a tensor: as numbers where it is small, as a map of shades where its last two axes look like a picture (images,
    feature maps, attention, weights), else as a histogram.

    Args:
        value: a tensor, or what can be made one (a list, a NumPy array, a number).
        how: ``numbers``, ``map`` or ``histogram``, to choose it yourself.
    """
    print("\n".join(drawn(value, how)))


def drawn(value: Any, how: str = "auto", width: int | None = None) -> list[str]:
    """The lines that :func:`show` prints."""
    if how not in HOWS:
        return [f"show(tensor, how): how is one of {', '.join(HOWS)}, not {how!r}"]
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
        tensor = plain(tensor)
    except Exception:
        return [repr(value)]
    head = f"{str(value.dtype if isinstance(value, Tensor) else tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    if tensor.numel() == 0:
        return [f"{head}: no element"]
    width = width or min(WIDEST, max(shutil.get_terminal_size((WIDEST, 24)).columns - 2, 20))
    chosen = chosen_how(tensor) if how == "auto" else how
    lines = {"numbers": numbers, "map": maps, "histogram": histogram}[chosen](tensor, width)
    return [f"{head}  {summary(tensor)}", *lines]


def plain(tensor: Tensor) -> Tensor:
    """Its values, real and dense, on the CPU in float64."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        tensor = tensor.abs()
    return tensor.cpu().double()


def chosen_how(tensor: Tensor) -> str:
    if tensor.numel() <= FEW:
        return "numbers"
    return "map" if tensor.dim() >= 2 and min(tensor.shape[-2:]) >= 4 else "histogram"


def summary(tensor: Tensor) -> str:
    finite = tensor[tensor.isfinite()]
    nan, inf = int(tensor.isnan().sum()), int(tensor.isinf().sum())
    words = f"{finite.min():.4g} … {finite.max():.4g}, mean {finite.mean():.4g}" if finite.numel() else "nothing finite"
    return words + (f", {nan} NaN" if nan else "") + (f", {inf} Inf" if inf else "")


def numbers(tensor: Tensor, width: int) -> list[str]:
    """The first rows and columns, written out."""
    flat = tensor.reshape(-1, tensor.shape[-1]) if tensor.dim() > 1 else tensor.reshape(1, -1)
    rows, columns = NUMBERS
    if flat.shape[0] == 1:  # a vector goes over several lines
        columns = max(1, min(columns, width // 11))
        cells = [f"{v:.4g}" for v in flat[0, : rows * columns].tolist()]
        lines = ["".join(cell.rjust(11) for cell in cells[i : i + columns]) for i in range(0, len(cells), columns)]
        return lines + (["        …"] if flat.shape[1] > rows * columns else [])
    columns = max(1, min(columns, width // 11))
    lines = []
    for line in flat[:rows, :columns].tolist():
        lines.append("".join(f"{v:.4g}".rjust(11) for v in line) + ("  …" if flat.shape[1] > columns else ""))
    return lines + (["        …"] if flat.shape[0] > rows else [])


def maps(tensor: Tensor, width: int) -> list[str]:
    """Shades over the last two axes; three channels of an image are its brightness, others stand side by side."""
    if tensor.dim() < 2:
        return histogram(tensor, width)
    which = ""
    picture = tensor
    if picture.dim() >= 4:
        picture = picture.reshape(-1, *tensor.shape[-3:])[0]
        which = "the first of the batch"
    if picture.dim() == 3 and picture.shape[0] == 3:
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=picture.dtype).view(3, 1, 1)  # ITU-R BT.601
        panels = [(picture * weights).sum(0)]
        which = (which + ", " if which else "") + "its three channels as brightness"
    elif picture.dim() == 3:
        panels = list(picture[:IMAGES])
        if picture.shape[0] > 1:
            which = (which + ", " if which else "") + f"{len(panels)} of {picture.shape[0]} side by side"
    else:
        panels = [picture]
    low, high = bounds(torch.stack(panels))
    room = max(4, (width - 3 * (len(panels) - 1)) // len(panels))
    blocks = [shaded(panel, low, high, room) for panel in panels]
    lines = ["   ".join(parts).rstrip() or "" for parts in zip(*blocks, strict=True)]
    scale = f"“{SHADES[0]}” {low:.4g} … “{SHADES[-1]}” {high:.4g}; N NaN, I Inf"
    return [*([f"({which})"] if which else []), *lines, scale]


def bounds(tensor: Tensor) -> tuple[float, float]:
    finite = tensor[tensor.isfinite()]
    return (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 0.0)


def shaded(panel: Tensor, low: float, high: float, width: int) -> list[str]:
    """One picture; a character is about twice as high as it is wide, so each value is two wide where there is room."""
    rows, columns = panel.shape
    across = 2 if columns * 2 <= width else 1
    target = min(columns, max(1, width // across))
    shrink = columns / target
    down = max(1, min(rows, HIGHEST, round(rows / shrink * across / 2)))
    finite = panel.isfinite()
    values = pooled(torch.where(finite, panel, 0.0), down, target) / pooled(finite.double(), down, target).clamp(min=1e-12)
    nan = pooled(panel.isnan().double(), down, target) > 0
    inf = pooled(panel.isinf().double(), down, target) > 0
    span = high - low or 1.0
    index = ((values - low) / span * (len(SHADES) - 1)).round().clamp(0, len(SHADES) - 1).int()
    lines = []
    for i in range(down):
        cells = ["N" if nan[i, j] else "I" if inf[i, j] else SHADES[int(index[i, j])] for j in range(target)]
        lines.append("".join(cell * across for cell in cells))
    return lines


def pooled(panel: Tensor, rows: int, columns: int) -> Tensor:
    """Means over areas."""
    return F.adaptive_avg_pool2d(panel[None, None], (rows, columns))[0, 0]


def histogram(tensor: Tensor, width: int) -> list[str]:
    """How many values lie where."""
    finite = tensor[tensor.isfinite()]
    if not finite.numel():
        return []
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return [f"all {finite.numel():,} finite values are {low:.4g}"]
    counts = torch.histc(finite, BINS, low, high).long().tolist()
    most, step = max(counts), (high - low) / BINS
    room = max(10, width - 24)
    return [
        f"{low + i * step:>11.4g} {'#' * max(round(count / most * room), 1 if count else 0)} {count if count else ''}".rstrip()
        for i, count in enumerate(counts)
    ]
