"""What comes out of the model, and what the data says should have: classes, values, pictures, sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from nnreport.facts import Entry, Number, Picture, Raster
from nnreport.inspector.picturing.drawn import SAMPLES, SIDE, VALUES, draw, images, plane, tokens
from nnreport.inspector.picturing.kinds import IMAGE_CHANNELS, SERIES, Kind
from nnreport.inspector.picturing.rasters import picked, plain, raster, said, short, strided

LARGEST = 5
"""Entries of a vector of scores that are kept for each sample."""
PLACES = 32
"""Positions of a sequence of scores that are drawn."""
ROWS = 16
"""Classes that are drawn of such a sequence, the likeliest anywhere."""
CLASSES = 64
"""Classes at most of a map of the largest channel."""


def draw_output(picture: Picture, tensor: Tensor, target: Tensor | None, like: Kind | None) -> None:
    """Fills in the picture of an output.

    Args:
        picture: made already, without values.
        tensor: the output.
        target: what the user's data wants it to be; None if unknown.
        like: the kind of an input of the same shape (an autoencoder's output is drawn as its input is).
    """
    tensor = strided(tensor)
    whole = not tensor.is_floating_point() and not tensor.is_complex()
    if is_classes(target):
        like = None
    if like is not None and like.name in ("image", "channels", "waveform", "series", "map"):
        draw(picture, tensor, like._replace(remarks=(), warnings=(), also=()))
    elif whole and tensor.dim() in (1, 2) and tensor.dtype != torch.bool:
        tokens(as_kind(picture, "tokens"), tensor, Kind("tokens", (-1, 0) if tensor.dim() == 1 else ()))
    elif tensor.dim() == 4:
        maps_or_image(picture, tensor, target)
    elif tensor.dim() == 3:
        sequence(picture, tensor, target)
    elif tensor.dim() == 2 and tensor.shape[1] > 1:
        scores(picture, tensor, target)
    elif tensor.dim() <= 2:
        numbers(picture, tensor, target)
    else:
        plane(as_kind(picture, "map"), tensor, Kind("map"))


def as_kind(picture: Picture, kind: str) -> Picture:
    picture.kind = kind  # type: ignore[assignment]
    return picture


def is_classes(target: Tensor | None) -> bool:
    """The target names classes."""
    return target is not None and not target.is_floating_point() and not target.is_complex()


def scores(picture: Picture, tensor: Tensor, target: Tensor | None) -> None:
    """[N, K]: the largest entries of the first samples, and all of the first one in order."""
    picture.kind = "scores"
    picture.length = int(tensor.shape[1])
    some = plain(tensor[:SAMPLES])
    shares = some.softmax(1)
    for line, share in zip(some, shares, strict=True):
        best = line.nan_to_num(float("-inf")).topk(min(LARGEST, line.numel())).indices.tolist()
        picture.rows.append([Entry(index=i, value=said(float(line[i])), share=fraction(share[i])) for i in best])
    wanted = None
    if target is not None and target.shape == tensor.shape:
        wanted = plain(target[:1])[0].tolist()
    picture.row = [
        Entry(index=i, value=said(value), target=said(wanted[i]) if wanted else None)
        for i, value in enumerate(some[0, :VALUES].tolist())
    ]


def fraction(share: Tensor) -> float | None:
    """A share as it may travel; None where the scores were not finite."""
    value = float(share)
    return short(value) if value == value else None


def numbers(picture: Picture, tensor: Tensor, target: Tensor | None) -> None:
    """One number a sample, beside what it was to be."""
    picture.kind = "values"
    found = plain(tensor.reshape(-1)[:VALUES]).tolist()
    wanted: list[float] = []
    if target is not None and target.numel() == tensor.numel():
        wanted = plain(target.reshape(-1)[:VALUES]).tolist()
    picture.length = tensor.numel()
    picture.row = [Entry(index=i, value=said(value), target=said(wanted[i]) if wanted else None) for i, value in enumerate(found)]


def maps_or_image(picture: Picture, tensor: Tensor, target: Tensor | None) -> None:
    """[N, C, y, x]: a picture, or one map a class; then also which class is largest where.

    Four channels that neither an input nor a target has are classes: hardly a net paints transparency.
    """
    channels = tensor.shape[1]
    classes = is_classes(target) and target is not None and target.dim() == 3 and channels > 1
    classes = classes or (channels == 4 and target is None)
    if not classes and channels not in IMAGE_CHANNELS and tensor.shape[3] in (1, 3) and tensor.shape[2] > 4:
        images(picture, tensor, Kind("image", (0, 3, 1, 2)))
        return
    images(picture, tensor, Kind("image"))
    if classes or (channels not in IMAGE_CHANNELS and channels <= CLASSES):
        if picture.kind == "image":  # three classes are no colours
            picture.kind = "channels"
        picture.second = largest(tensor)


def largest(tensor: Tensor) -> Raster:
    """[sample, y, x]: the index of the largest channel at each place, of the first samples."""
    found = plain(nearest(tensor[:SAMPLES])).argmax(1)
    return raster(found.double(), 0, float(max(1, tensor.shape[1] - 1)))


def nearest(places: Tensor) -> Tensor:
    """[…, y, x] thinned out, as an index cannot be averaged."""
    height, width = places.shape[-2:]
    longest, side = max(height, width), SIDE // 2
    rows, columns = (picked(size, max(1, side * size // longest)).to(places.device) for size in (height, width))
    return places[..., rows[:, None], columns]


def sequence(picture: Picture, tensor: Tensor, target: Tensor | None) -> None:
    """[N, L, V]: curves where there are few numbers a place, else how likely which class is at each place of the first sample."""
    axis = 2
    if is_classes(target) and target is not None and target.dim() == 2 and target.shape[1] == tensor.shape[2] != tensor.shape[1]:
        axis = 1
    elif not is_classes(target) and (tensor.shape[2] <= 4 or (target is not None and target.shape == tensor.shape)):
        draw(picture, tensor, Kind("series" if tensor.shape[2] <= SERIES else "map", (0, 2, 1)))
        return
    lines = tensor[0] if axis == 2 else tensor[0].T
    picture.length = int(lines.shape[0])
    lines = plain(lines[:PLACES])
    shares = lines.softmax(1)
    if not bool(torch.isfinite(shares).all()):
        shares = lines
        picture.remarks.append("The values themselves: they are not all finite.")
    strongest = shares.nan_to_num(0).amax(0)
    kept = strongest.topk(min(ROWS, strongest.numel())).indices.sort().values
    picture.kind = "map"
    picture.axes = ["class", "place"]
    picture.row = [Entry(index=int(i), value=said(float(strongest[i]))) for i in kept]
    picture.raster = raster(shares[:, kept].T)


def labels_of(target: Tensor | None, samples: int) -> list[Number]:
    """The target of each sample where it is one number."""
    if target is None or target.dim() == 0 or target.numel() != target.shape[0]:
        return []
    return [said(value) for value in plain(target.reshape(-1)[: min(VALUES, samples)]).tolist()]


def draw_target(picture: Picture, target: Tensor) -> None:
    """A target that is more than a number a sample; anything else is left undrawn."""
    target = strided(target)
    if target.dim() < 2 or target.numel() == target.shape[0]:
        return
    if is_classes(target) and target.dim() in (3, 4) and min(target.shape[-2:]) > 1:
        places = nearest(target[:SAMPLES].reshape(-1, *target.shape[-2:])[:SAMPLES])
        picture.raster = raster(plain(places))
        picture.kind = "classes"
    elif is_classes(target) and target.dim() == 2:
        tokens(as_kind(picture, "tokens"), target, Kind("tokens"))
    elif not is_classes(target) and target.dim() == 4:
        images(picture, target, Kind("image"))
    elif not is_classes(target) and target.dim() == 3 and target.shape[2] <= SERIES:
        draw(picture, target, Kind("series", (0, 2, 1)))
