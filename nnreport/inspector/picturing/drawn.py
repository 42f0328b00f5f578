"""One tensor as a picture of its kind: a few samples, made small."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nnreport.facts import Entry, Picture
from nnreport.inspector.picturing.kinds import IMAGE_CHANNELS, Kind
from nnreport.inspector.picturing.rasters import Undrawable, ends, picked, plain, raster, said, short, smaller
from nnreport.inspector.picturing.sound import envelope, spectrogram

SAMPLES = 4
PIXELS = 10_800
"""Values of all samples of one image together; it is what a page can bear."""
SIDE = 64
"""Longest side of an image or a map, in pixels; :data:`NOISE_SIDE` where it shows nothing but noise."""
NOISE_SIDE = 24
CHANNELS = 8
"""Channels drawn of a tensor with many."""
IDS = 24
"""Ids of a sequence that are written out; longer ones are a strip of at most :data:`STRIP` too."""
STRIP = 128
POINTS = 128
"""Of a curve."""
FEATURES = 24
"""Columns of a table row."""
VALUES = 16


def draw(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """Fills in the picture. Raises Undrawable where the tensor holds nothing that can be seen."""
    picture.kind = kind.name
    picture.remarks += kind.remarks
    picture.warnings += kind.warnings
    {
        "image": images,
        "channels": images,
        "tokens": tokens,
        "mask": mask,
        "waveform": waveform,
        "series": series,
        "row": row,
        "map": plane,
        "values": values,
    }[kind.name](picture, tensor, kind)


def arranged(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    """``tensor`` with its axes in that order, -1 being a new one of size 1."""
    if not axes:
        return tensor
    moved = tensor.permute([axis for axis in axes if axis >= 0])
    for place, axis in enumerate(axes):
        if axis < 0:
            moved = moved.unsqueeze(place)
    return moved


def images(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """[N, C, y, x] as it is; its scale is one that images are kept in where the values fit one."""
    if kind.view:
        tensor = tensor.reshape(tensor.shape[0], *kind.view)
    tensor = arranged(tensor[0] if tensor.dim() == 5 else tensor, kind.axes)
    many = tensor.shape[1] not in IMAGE_CHANNELS
    picture.kind = "channels" if many else "image"
    count = 1 if many or picture.noise else samples_of(tensor.shape)
    shown = plain(thinned(tensor[:count, :CHANNELS]))
    if shown.shape[1] == 3 and not picture.noise and (remark := interleaved(shown)):
        picture.warnings.append(remark)
    each = PIXELS / (shown.shape[0] * shown.shape[1])
    small = smaller(shown, NOISE_SIDE if picture.noise else min(SIDE, int(each**0.5)))
    picture.raster = raster(small, *scale_of(small, tensor.dtype))
    if many and tensor.shape[1] > CHANNELS:
        picture.length = int(tensor.shape[1])


def samples_of(shape: torch.Size) -> int:
    """How many samples of [N, C, y, x] are drawn: as many small ones as fit whole, two of large ones."""
    each = shape[1] * shape[2] * shape[3]
    return max(SAMPLES // 2, min(SAMPLES, PIXELS // max(1, each)))


def thinned(images: Tensor) -> Tensor:
    """[…, y, x] of which lines are left out, so that a poster is not copied whole to be made a stamp."""
    every = [max(1, size // (4 * SIDE)) for size in images.shape[-2:]]
    return images[..., :: every[0], :: every[1]]


def scale_of(shown: Tensor, dtype: torch.dtype) -> tuple[float, float]:
    """What is black and what is white: 0…255, 0…1 or -1…1 where the values fill a good part of it, else their own range."""
    low, high = ends(shown)
    if dtype == torch.uint8 or (low >= 0 and 1 < high <= 255 and high > 100 and low < 100):
        return 0.0, 255.0
    for least, most in ((0.0, 1.0), (-1.0, 1.0)):
        if least <= low and high <= most and high - low >= 0.25 * (most - least):
            return least, most
    return low, high


def interleaved(shown: Tensor) -> str:
    """Pixels kept as y, x, channel and viewed as channel, y, x: neighbours three apart are more alike than those side by side.

    In a picture that is read rightly they are less alike, in noise as much.
    """
    if shown.shape[-1] < 8 or not bool(torch.isfinite(shown).all()):
        return ""
    beside = float((shown[..., 1:] - shown[..., :-1]).abs().mean())
    apart = float((shown[..., 3:] - shown[..., :-3]).abs().mean())
    if apart >= 0.7 * beside:
        return ""
    return (
        "Values three apart in a line are more alike than neighbours: this looks like y, x, channel memory that was reshaped "
        "(view, reshape) to channel, y, x; permute(0, 3, 1, 2) keeps the picture."
    )


def tokens(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """The first ids of the first sequences; of long ones a strip, in which runs of one id show."""
    tensor = arranged(tensor, kind.axes)
    if tensor.dim() > 2:
        tensor = tensor.reshape(-1, tensor.shape[-1])
    picture.length = int(tensor.shape[-1])
    some = tensor[: 1 if picture.noise else SAMPLES].detach().to("cpu")
    if not some.numel():
        raise Undrawable("it is empty")
    picture.tokens = [[int(value) for value in ids] for ids in some[:, :IDS].tolist()]
    if picture.length > IDS:
        picture.raster = raster(plain(some[:, picked(picture.length, STRIP)]))


def mask(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """What is on and what is off."""
    tensor = arranged(tensor, kind.axes)
    picture.length = int(tensor.shape[1])
    picture.raster = raster(plain(tensor[:SAMPLES, picked(picture.length, STRIP).to(tensor.device)]))


def waveform(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """The first sample's first channel: its outline, and its spectrogram."""
    tensor = arranged(tensor, kind.axes)
    wave = plain(tensor[0, 0])
    picture.length = int(wave.numel())
    picture.raster = raster(envelope(wave, 60 if picture.noise else 240))
    picture.second = None if picture.noise else spectrogram(wave)


def series(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """Each feature of the first sample over time, on a scale of its own."""
    tensor = arranged(tensor, kind.axes)
    picture.length = int(tensor.shape[2])
    kept = picked(picture.length, 32 if picture.noise else POINTS).to(tensor.device)
    picture.raster = raster(plain(tensor[0, : 4 if picture.noise else 8, kept]), each=True)


def plane(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """The first sample as a heat map; of more than three axes the last two."""
    tensor = arranged(tensor, kind.axes)
    while tensor.dim() > 3:
        tensor = tensor[:, 0]
    picture.axes = ["feature", "place"] if kind.axes else ["axis -2", "axis -1"]
    side = NOISE_SIDE if picture.noise else SIDE
    picture.raster = raster(smaller(plain(thinned(tensor[:1])), side)[0])


def row(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """The first sample's features against what the batch holds of each."""
    tensor = arranged(tensor, kind.axes)
    picture.length = int(tensor.shape[1])
    some = plain(tensor[:256, : 8 if picture.noise else FEATURES])
    picture.row = entries(some)


def entries(table: Tensor, targets: Sequence[float] | None = None) -> list[Entry]:
    """The first line of [N, F], each value with its column's ends over the lines."""
    made = []
    for i, value in enumerate(table[0].tolist()):
        low, high = ends(table[:, i])
        entry = Entry(index=i, value=said(value))
        if table.shape[0] > 1:
            entry.low, entry.high = short(low), short(high)
        if targets is not None and i < len(targets):
            entry.target = said(targets[i])
        made.append(entry)
    return made


def values(picture: Picture, tensor: Tensor, kind: Kind) -> None:
    """One number a sample."""
    numbers = plain(tensor.reshape(-1)[:VALUES])
    picture.row = [Entry(index=i, value=said(value)) for i, value in enumerate(numbers.tolist())]
