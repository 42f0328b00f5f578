"""What goes in and what comes out, made small, to be drawn."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Number, Range, Record, TensorInfo


class Raster(Record):
    """A small array of 8 bits a value, made smaller than the tensor that it shows."""

    shape: list[int]
    low: list[float]
    """What byte 0 stands for: one for all, or one for each entry of the leading axis."""
    high: list[float]
    """What byte 254 stands for, likewise. Byte 255 is NaN or Inf."""
    data: str
    """The bytes in row-major order, deflated (zlib), as base64."""


class Entry(Record):
    """One value of a vector: a feature of a table row, a class of an output."""

    index: int
    value: Number
    low: float | None = None
    """Smallest and largest of this column over the batch, where there is more than one sample."""
    high: float | None = None
    share: float | None = None
    """Softmax over all entries of its vector."""
    target: Number | None = None
    """What it was to be, where the data says so."""


class Picture(Record):
    """An input, an output or a target of the model, as something to look at."""

    name: str
    kind: Literal[
        "image", "channels", "classes", "tokens", "mask", "waveform", "series", "row", "scores", "values", "map", "none"
    ]
    """What is in the record by kind:

    * image: ``raster`` [sample, channel, y, x] with 1, 3 or 4 channels;
    * channels: likewise with any number, each a picture of its own;
    * classes: [sample, y, x], the index of a class at each place;
    * tokens: ``tokens``, and ``raster`` [sample, place] of long ones;
    * mask: [sample, place];
    * waveform: [2, time], smallest and largest of each stretch of the first sample; ``second`` is its spectrogram
      [frequency, time] in decibels;
    * series: [feature, time] of the first sample;
    * map: [y, x] of the first sample, what they are in ``axes``;
    * row: ``row``, the first sample's features;
    * scores: ``rows``, the largest entries of each sample; ``row``, the first sample's entries in their order;
    * values: ``row``, one number a sample;
    * none: it cannot be drawn, ``remarks`` say why."""
    tensor: TensorInfo | None = None
    """The whole tensor."""
    range: Range | None = None
    source: str = ""
    noise: bool = False
    """Drawn at random by us, so that it looks like nothing."""
    raster: Raster | None = None
    second: Raster | None = None
    """waveform: its spectrogram; channels: [sample, y, x], which channel is largest where."""
    axes: list[str] = []
    """What the raster's last two axes are, for a map: ``position``, ``feature``."""
    tokens: list[list[int]] = []
    """The first ids of the first sequences."""
    length: int = 0
    """Places of a whole sequence, series or waveform; entries of a whole vector."""
    rows: list[list[Entry]] = []
    row: list[Entry] = []
    remarks: list[str] = []
    """How it was read, in sentences."""
    warnings: list[str] = []
    """What does not look right, in sentences."""


class Filters(Record):
    """The weights of the first layer that looks at pictures."""

    module: str
    parameter: str
    shape: list[int]
    """Of the whole weight."""
    raster: Raster
    """[filter, channel, y, x]; one scale for all, zero in its middle."""
    zero: list[int] = []
    """Filters that are zero everywhere, of all there are; the first 64."""


class Maps(Record):
    """What some channels of one layer answer to the first sample, in eval mode before any training."""

    module: str
    """Where the operation ran."""
    operation: str
    shape: list[int]
    """Of the whole output."""
    channels: list[int]
    """Those drawn."""
    raster: Raster
    """[channel, y, x], or [channel, time] of a one-dimensional layer; one scale for all."""
    dead: list[int] = []
    """Channels that are exactly zero at every place of every sample, of all there are; the first 64."""
    dead_count: int = 0


class Pictures(Record):
    """What goes in, what comes out, and the first layers' own pictures: a few samples, made small."""

    inputs: list[Picture] = []
    outputs: list[Picture] = []
    """Of the model as it was given, in eval mode."""
    targets: list[Picture] = []
    labels: list[Number] = []
    """The target of each sample shown, where it is one number."""
    filters: Filters | None = None
    maps: list[Maps] = []
    """In order of execution."""
    samples: int = 0
    """Samples in the batch that was shown to the model; 0 where the inputs share no leading axis."""
    user: bool = False
    """From the user's own data."""
