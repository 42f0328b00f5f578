"""A waveform's outline and its spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nnreport.facts import Raster
from nnreport.inspector.picturing.rasters import raster

LONGEST = 1 << 16
"""Values of a waveform that its spectrogram is made of."""
BANDS, FRAMES = 48, 96
FLOOR = 80.0
"""Decibels under the loudest that are still drawn."""


def envelope(wave: Tensor, columns: int) -> Tensor:
    """[2, columns]: smallest and largest value of each stretch of ``wave`` [L], so that no peak is lost."""
    if wave.numel() <= columns:
        return torch.stack([wave, wave])
    padded = F.adaptive_max_pool1d(torch.stack([-wave, wave]).unsqueeze(0), columns)[0]
    return torch.stack([-padded[0], padded[1]])


def spectrogram(wave: Tensor) -> Raster | None:
    """Short-time Fourier power in decibels [frequency, time], low frequencies first; None where it is too short or not finite."""
    wave = wave[:LONGEST]
    window = 256 if wave.numel() >= 2048 else 64
    if wave.numel() < 2 * window or not bool(torch.isfinite(wave).all()):
        return None
    hop = max(1, min(window // 2, wave.numel() // FRAMES))
    spectrum = torch.stft(wave, window, hop, window=torch.hann_window(window, dtype=wave.dtype), return_complex=True)
    power = spectrum.abs().square()
    small = F.adaptive_avg_pool2d(power.unsqueeze(0), (min(BANDS, power.shape[0]), min(FRAMES, power.shape[1])))[0]
    loudest = float(small.max())
    if loudest <= 0:
        return None
    decibels = 10 * torch.log10((small / loudest).clamp_min(10 ** (-FLOOR / 10)))
    return raster(decibels, -FLOOR, 0.0)
