"""Inputs of Hugging Face models, from their configuration: tokens, pictures, sound, and what a decoder starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.inspector.loading.signatures import forward_of

LENGTH = 16
"""Tokens of a text: short, for a report is of the model, not of its speed on long texts."""
IMAGE = 64
"""Pixels a side where the config names no image size (a ResNet takes any)."""
SOUND_FRAMES = 12
"""Frames that a waveform gives after the feature encoder; more than the 10 that SpecAugment masks in training."""
_PARTS = ("text_config", "vision_config", "audio_config", "encoder", "decoder", "text_encoder", "backbone_config")


def hugging_face(model: nn.Module, config: Any, generator: torch.Generator, batch: int) -> list[dict[str, Any]]:
    """Keyword inputs that could suit, the likeliest first; empty where the model's main input is of no known kind."""
    forward = forward_of(model)
    main = getattr(model, "main_input_name", "input_ids")
    main = main if isinstance(main, str) else next(iter(main), "input_ids")
    makers: dict[str, Callable[[], Tensor | None]] = {
        "input_ids": lambda: _tokens(config, generator, batch),
        "inputs": lambda: _tokens(config, generator, batch),
        "pixel_values": lambda: _pixels(config, generator, batch),
        "pixel_values_videos": lambda: _pixels(config, generator, batch),
        "input_values": lambda: _sound(config, generator, batch),
        "input_features": lambda: _features(config, generator, batch),
        "past_values": lambda: _series(config, generator, batch),
    }
    wanted = [main] if forward.accepts(main) else [name for name in makers if name in forward.names][:1]
    base: dict[str, Any] = {}
    for name in wanted:
        value = makers[name]() if name in makers else None
        if value is None:
            return []
        base[name] = value
    if "decoder_input_ids" in forward.names and getattr(config, "is_encoder_decoder", False):
        base["decoder_input_ids"] = _tokens(_part(config, "decoder"), generator, batch)
    choices = [base]
    for name in ("pixel_values", "input_features", "input_values", "input_ids"):
        if name in forward.names and name not in base and (value := makers[name]()) is not None:
            choices.append({**base, name: value})
    if "bbox" in forward.names and "input_ids" in base:
        choices.append({**base, "bbox": torch.zeros(*base["input_ids"].shape, 4, dtype=torch.int64)})
    return choices


def _part(config: Any, *names: str) -> Any:
    return next(
        (part for name in names if (part := getattr(config, name, None)) is not None and hasattr(part, "to_dict")), config
    )


def _find(config: Any, *names: str) -> Any:
    """The first of these settings that the config, or one of its parts, has."""
    for holder in (config, *(getattr(config, part, None) for part in _PARTS)):
        for name in names:
            value = getattr(holder, name, None) if holder is not None else None
            if value is not None:
                return value
    return None


def _number(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else default


def _tokens(config: Any, generator: torch.Generator, batch: int) -> Tensor | None:
    """``[batch, up to 16]`` ids without special ones; for an encoder-decoder the last is the end of the text."""
    size = _find(config, "vocab_size", "vocabulary_size")
    size = size[0] if isinstance(size, (list, tuple)) and size else size
    if not isinstance(size, int) or size < 1:
        return None
    longest = _number(_find(config, "max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len"), LENGTH)
    length = max(1, min(LENGTH, longest))
    special = {
        value
        for name in ("pad_token_id", "eos_token_id", "bos_token_id", "sep_token_id", "mask_token_id", "decoder_start_token_id")
        for value in [getattr(config, name, None)]
        if isinstance(value, int)
    }
    plain = [i for i in range(min(size, 100_000)) if i not in special] or [0]
    ids = torch.tensor(plain)[torch.randint(len(plain), (batch, length), generator=generator)]
    end = getattr(config, "eos_token_id", None)
    if getattr(config, "is_encoder_decoder", False) and isinstance(end, int) and 0 <= end < size:
        ids[:, -1] = end
    return ids


def _pixels(config: Any, generator: torch.Generator, batch: int) -> Tensor:
    size = _find(config, "image_size", "input_size", "img_size")
    if isinstance(size, dict):
        size = [size.get("height", IMAGE), size.get("width", IMAGE)]
    if isinstance(size, (list, tuple)) and len(size) >= 2:
        height, width = int(size[-2]), int(size[-1])
    else:
        height = width = _number(size, IMAGE)
    channels = _number(_find(config, "num_channels", "in_channels", "in_chans"), 3)
    frames = _find(config, "num_frames", "frames_per_clip")
    shape = (batch, frames, channels, height, width) if isinstance(frames, int) else (batch, channels, height, width)
    return torch.randn(shape, generator=generator)


def _sound(config: Any, generator: torch.Generator, batch: int) -> Tensor:
    """A waveform ``[batch, samples]`` (with a channel axis for codecs), or a spectrogram for models that read one."""
    bins, length = getattr(config, "num_mel_bins", None), getattr(config, "max_length", None)
    if isinstance(bins, int) and isinstance(length, int) and hasattr(config, "patch_size"):
        return torch.randn(batch, length, bins, generator=generator)
    stride = 1
    for step in _find(config, "conv_stride", "upsampling_ratios") or (320,):
        stride *= step
    samples = stride * (SOUND_FRAMES + 2)
    channels = getattr(config, "audio_channels", None)
    shape = (batch, channels, samples) if isinstance(channels, int) else (batch, samples)
    return torch.randn(shape, generator=generator)


def _features(config: Any, generator: torch.Generator, batch: int) -> Tensor:
    """Mel features: ``[batch, bins, 2 × positions]`` as Whisper wants them, else ``[batch, frames, bins]``."""
    positions = _find(config, "max_source_positions")
    bins = _find(config, "num_mel_bins")
    if isinstance(bins, int) and isinstance(positions, int) and not hasattr(config, "input_feat_per_channel"):
        return torch.randn(batch, bins, 2 * positions, generator=generator)
    width = _number(_find(config, "input_feat_per_channel", "feature_projection_input_dim", "input_dim", "num_mel_bins"), 80)
    width *= _number(_find(config, "input_channels") if hasattr(config, "input_feat_per_channel") else None, 1)
    return torch.randn(batch, 8 * SOUND_FRAMES, width, generator=generator)


def _series(config: Any, generator: torch.Generator, batch: int) -> Tensor | None:
    length = getattr(config, "context_length", None)
    if not isinstance(length, int):
        return None
    return torch.randn(batch, length, _number(getattr(config, "num_input_channels", None), 1), generator=generator)
