"""Small PNG files from 8-bit values, with nothing but zlib: grey, in a colour scale, or in red, green and blue."""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Sequence

from nnreport.facts import Raster
from nnreport.render.charts_heat import BROKEN as BROKEN_COLOUR
from nnreport.render.charts_heat import LEVELS

TOP, BROKEN = 254, 255
"""Byte of the largest value, and of NaN or Inf (:class:`nnreport.facts.Raster`)."""
MOST = 200_000
"""Values of one raster that are read: no report of ours holds more, and a forged one cannot fill the memory."""
STEPS = 14
"""Colours of a scale: with one for NaN and one for the gaps they fit 4 bits, and no eye counts more in a stamp."""

Colour = tuple[int, int, int]


def rgb(code: str) -> Colour:
    """``#00224e`` as numbers."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def between(stops: Sequence[Colour], count: int) -> list[Colour]:
    """``count`` colours evenly along ``stops``."""
    made = []
    for i in range(count):
        at = i * (len(stops) - 1) / max(1, count - 1)
        low = min(int(at), len(stops) - 2)
        share = at - low
        first, second = stops[low], stops[low + 1]
        made.append(
            (
                round(first[0] + share * (second[0] - first[0])),
                round(first[1] + share * (second[1] - first[1])),
                round(first[2] + share * (second[2] - first[2])),
            )
        )
    return made


SCALES: dict[str, list[Colour]] = {
    "heat": between([rgb(level) for level in LEVELS], STEPS),
    "grey": between([(0, 0, 0), (255, 255, 255)], STEPS),
    # blue, nearly white, red-brown: zero is in the middle, and colour-blind readers tell the sides apart
    "sides": between([rgb("#0b3c8c"), rgb("#7fa6dc"), rgb("#f4f4f4"), rgb("#e39a5f"), rgb("#8a2d04")], STEPS),
    "classes": [
        rgb(code)
        for code in (
            "#1b1f24", "#0067a3", "#c24e00", "#007a5a", "#8f4a86", "#d9c04a", "#62b5f0", "#ff9d57", "#4fcfa5", "#e0a3d8",
            "#7a6500", "#8a929c", "#b00020", "#d5d8dc",
        )
    ],
}  # fmt: skip


def levels(raster: Raster | None) -> bytes | None:
    """The bytes of a raster; None where it is none, is damaged or too large."""
    if raster is None or not raster.shape or any(size < 1 for size in raster.shape):
        return None
    count = math.prod(raster.shape)
    if count > MOST or not raster.low or len(raster.low) != len(raster.high):
        return None
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(raster.data, validate=True), count + 1)
    except (binascii.Error, zlib.error, ValueError):
        return None
    return data if len(data) == count else None


class Sheet:
    """Pixels to paint tiles on; what is left free is transparent."""

    def __init__(self, width: int, height: int, scale: str | None) -> None:
        self.width, self.height = width, height
        self.scale = scale
        """Name of a colour scale, for one value a pixel; None: red, green and blue."""
        self.values: list[int | None] = [None] * (width * height * (scale is not None))
        self.colours: list[Colour | None] = [None] * (width * height * (scale is None))

    def tile(self, x: int, y: int, width: int, planes: Sequence[bytes]) -> None:
        """Paints one tile: one plane of bytes row by row, or three."""
        for i in range(len(planes[0])):
            at = (y + i // width) * self.width + x + i % width
            if self.scale is not None:
                self.values[at] = planes[0][i]
                continue
            found = [plane[i] for plane in planes[:3]]
            red, green, blue = (round(255 * level / TOP) for level in found)
            self.colours[at] = rgb(BROKEN_COLOUR) if BROKEN in found else (red, green, blue)

    def png(self) -> bytes:
        """The file."""
        if self.scale is None:
            return self.truecolour()
        return self.grey() if self.scale == "grey" and BROKEN not in self.values else self.palette(SCALES[self.scale])

    def grey(self) -> bytes:
        """All 255 greys, for photographs; the 256th stands for what is free."""
        rows = [
            bytes(255 if level is None else level for level in self.values[y * self.width : (y + 1) * self.width])
            for y in range(self.height)
        ]
        clear = [(b"tRNS", struct.pack(">H", 255))] if None in self.values else []
        return assembled([header(self.width, self.height, 8, 0), *clear, (b"IDAT", packed(rows, 1))])

    def palette(self, scale: Sequence[Colour]) -> bytes:
        """Four bits a pixel."""
        free, broken = STEPS + 1, STEPS
        colours = [*scale, rgb(BROKEN_COLOUR), (0, 0, 0)]
        step = [min(STEPS - 1, level * STEPS // (TOP + 1)) for level in range(BROKEN)] + [broken]
        rows = []
        for y in range(self.height):
            line = [free if level is None else step[level] for level in self.values[y * self.width : (y + 1) * self.width]]
            line += [free] * (len(line) % 2)
            rows.append(bytes(a << 4 | b for a, b in zip(line[::2], line[1::2], strict=True)))
        chunks = [(b"PLTE", bytes(part for colour in colours for part in colour)), (b"tRNS", bytes([255] * free + [0]))]
        return assembled([header(self.width, self.height, 4, 3), *chunks, (b"IDAT", packed(rows, 0))])

    def truecolour(self) -> bytes:
        used = set(self.colours)
        free = next((1, 2, blue) for blue in range(256) if (1, 2, blue) not in used or blue == 255)
        rows = []
        for y in range(self.height):
            line = self.colours[y * self.width : (y + 1) * self.width]
            rows.append(bytes(part for colour in line for part in (colour or free)))
        clear = [(b"tRNS", struct.pack(">HHH", *free))] if None in used else []
        return assembled([header(self.width, self.height, 8, 2), *clear, (b"IDAT", packed(rows, 3))])

    def address(self) -> str:
        """The file as a ``data:`` address."""
        return "data:image/png;base64," + base64.b64encode(self.png()).decode()


def packed(rows: Sequence[bytes], step: int) -> bytes:
    """The rows deflated, plain or as differences from the pixel before (``step`` bytes back) or above: whichever is smallest."""
    kinds = [b"".join(b"\0" + row for row in rows)]
    if step:
        kinds.append(b"".join(b"\1" + difference(row, bytes(step) + row[:-step]) for row in rows))
        above = [bytes(len(rows[0])), *rows[:-1]] if rows else []
        kinds.append(b"".join(b"\2" + difference(row, over) for row, over in zip(rows, above, strict=True)))
    return min((zlib.compress(kind, 9) for kind in kinds), key=len)


def difference(row: bytes, other: bytes) -> bytes:
    return bytes((a - b) & 255 for a, b in zip(row, other, strict=True))


def header(width: int, height: int, bits: int, kind: int) -> tuple[bytes, bytes]:
    """The first chunk; ``kind`` 0 is grey, 2 red, green and blue, 3 a palette."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)


def assembled(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of these chunks."""
    made = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks, (b"IEND", b"")]:
        made += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return made
