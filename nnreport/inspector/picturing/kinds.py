"""Is it a picture, a text, a sound, a series or a table row? From the shape, the dtype, the name and the layer that reads it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nnreport.inspector.picturing.readers import Reader

IMAGE_CHANNELS = (1, 3, 4)
SERIES = 12
"""Features that are drawn as curves, one each; more are a map."""
WAVE = 256
"""Values at least of a waveform with an axis of its own; :data:`LONG_WAVE` of one that might be a table row."""
LONG_WAVE = 2000
FLAT_IMAGES = {784: (1, 28, 28), 3072: (3, 32, 32)}
"""Widths of a row that is known to be a picture: the digits of MNIST and the pictures of CIFAR."""
SOUND_NAMES = ("audio", "wave", "waveform", "signal", "speech", "sound", "pcm", "input_values")
MASK_NAMES = ("mask", "padding")
SPECTRAL = ("stft", "unfold", "as_strided", "frame")
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


class Kind(NamedTuple):
    """How a tensor is to be drawn."""

    name: Literal["image", "channels", "tokens", "mask", "waveform", "series", "row", "map", "values"]
    axes: tuple[int, ...] = ()
    """Order of the tensor's axes for drawing: image, channels [N, C, H, W]; series, map, waveform [N, feature, time]. Empty: as
    they are. An axis of -1 is a new one of size 1."""
    view: tuple[int, ...] = ()
    """Shape of one sample before that: a flat row that is a picture."""
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    """Axes of a second picture: as the model reads it, where that differs from what it looks like."""


def kind_of(tensor: Tensor, name: str, reader: Reader | None) -> Kind:
    """The kind of an input (an output has no reader, and more is known of it: see ``outputs``)."""
    reader = reader or Reader()
    shape = list(tensor.shape)
    if not shape:
        return Kind("values")
    if tensor.dtype == torch.bool or any(part in name.lower() for part in MASK_NAMES):
        return {1: Kind("mask", (-1, 0)), 2: Kind("mask")}.get(len(shape)) or floats(shape, name, reader)
    whole = not tensor.is_floating_point() and not tensor.is_complex()
    if whole and tensor.dtype != torch.uint8 and len(shape) <= 3 and not (len(shape) == 3 and reader.operation == "conv2d"):
        return numbers(tensor, shape, reader)
    return floats(shape, name, reader)


def numbers(tensor: Tensor, shape: list[int], reader: Reader) -> Kind:
    """Integers: tokens, unless they are used as numbers or as a mask."""
    if len(shape) == 1:
        return Kind("tokens", (-1, 0)) if reader.operation.startswith("embedding") or shape[0] > 1 else Kind("values")
    if reader.operation == "linear" and len(shape) == 2:
        return Kind("row")
    if len(shape) == 2 and not reader.operation.startswith("embedding") and 0 <= low_high(tensor)[0] <= low_high(tensor)[1] <= 1:
        return Kind("mask")
    return Kind("tokens")


def low_high(tensor: Tensor) -> tuple[int, int]:
    """Ends of an integer tensor; (0, -1) of an empty one."""
    return (int(tensor.min()), int(tensor.max())) if tensor.numel() else (0, -1)


def floats(shape: list[int], name: str, reader: Reader) -> Kind:
    """Numbers on axes."""
    if len(shape) == 1:
        return Kind("row", (-1, 0)) if shape[0] > 1 and reader.operation == "linear" else Kind("values")
    if len(shape) == 2:
        return flat(shape, name, reader)
    if len(shape) == 3:
        return three(shape, name, reader)
    if len(shape) == 4:
        return four(shape, reader)
    return video(shape)


def flat(shape: list[int], name: str, reader: Reader) -> Kind:
    """[N, F]: a waveform, a flat picture or a table row."""
    width = shape[1]
    if reader.operation in ("conv2d", "conv_transpose2d") and len(reader.shape) == 4:
        view = tuple(reader.shape[1:])
        if view[0] * view[1] * view[2] == width and view[0] in IMAGE_CHANNELS:
            return Kind("image", view=view)
    sounds = any(part in name.lower() for part in SOUND_NAMES) or reader.operation in ("conv1d", *SPECTRAL)
    if (sounds and width >= WAVE) or (width >= LONG_WAVE and reader.operation in ("", *SPECTRAL)):
        return Kind("waveform", (0, -1, 1))
    if width in FLAT_IMAGES and reader.operation in ("linear", "", "layer_norm", "batch_norm"):
        channels, height, across = FLAT_IMAGES[width]
        size = f"{height} × {across}" + (f" with {channels} channels" if channels > 1 else "")
        return Kind("image", view=FLAT_IMAGES[width], remarks=(f"{width:,} values a row, drawn as {size}.",))
    if reader.operation in RECURRENT:
        return Kind("series", (-1, 1, 0)) if width <= SERIES else Kind("map", (-1, 1, 0))
    return Kind("row")


def three(shape: list[int], name: str, reader: Reader) -> Kind:
    """[N, C, L], [N, L, F], [L, N, F], [C, H, W] or [N, H, W]."""
    if reader.operation in ("conv2d", "conv_transpose2d"):
        unbatched = shape[0] in IMAGE_CHANNELS and reader.shape == shape
        return Kind("image", (-1, 0, 1, 2)) if unbatched else Kind("image", (0, -1, 1, 2))
    if reader.operation == "linear" and shape[1] == shape[2] >= 8 and reader.shape[-1:] == [shape[1] * shape[2]]:
        return Kind("image", (0, -1, 1, 2))
    time_first = reader.operation in RECURRENT and not reader.batch_first and not reader.moved
    if reader.operation in ("conv1d", "conv_transpose1d", *SPECTRAL) and not reader.moved:
        axes: tuple[int, ...] = (0, 1, 2)
    else:
        axes = (1, 2, 0) if time_first else (0, 2, 1)
    if shape[1] <= 2 and shape[2] >= WAVE and reader.operation not in (*RECURRENT, "linear"):
        return Kind("waveform", (0, 1, 2))
    features = shape[axes[1]]
    return Kind("series" if features <= SERIES else "map", axes)


def four(shape: list[int], reader: Reader) -> Kind:
    """[N, C, H, W], or [N, H, W, C] by design or by mistake."""
    first, last = shape[1] in IMAGE_CHANNELS, shape[3] in IMAGE_CHANNELS
    if first and not (last and shape[2] not in IMAGE_CHANNELS and reader.moved):
        return Kind("image", (0, 1, 2, 3))
    if last and shape[2] not in IMAGE_CHANNELS:
        if reader.moved or not reader.operation.startswith("conv"):
            return Kind("image", (0, 3, 1, 2), remarks=("The last axis is taken for the channels.",))
        where = f" ({reader.module})" if reader.module else ""
        remark = (
            f"The last axis ({shape[3]}) looks like the channels, but {reader.operation}{where} reads axis 1 ({shape[1]}) as the "
            "channels: first drawn as it looks, then as the model reads it. Mend it with x.permute(0, 3, 1, 2)."
        )
        return Kind("image", (0, 3, 1, 2), warnings=(remark,), also=(0, 1, 2, 3))
    return Kind("channels", (0, 1, 2, 3))


def video(shape: list[int]) -> Kind:
    """[N, C, T, H, W] or [N, T, C, H, W]: frames of the first sample (the axes are those of it)."""
    if len(shape) == 5 and shape[2] in IMAGE_CHANNELS and shape[1] not in IMAGE_CHANNELS:
        return Kind("image", (0, 1, 2, 3), remarks=("Frames of the first sample.",))
    if len(shape) == 5 and shape[1] in IMAGE_CHANNELS:
        return Kind("image", (1, 0, 2, 3), remarks=("Frames, or slices, of the first sample.",))
    return Kind("map")
