"""Sheets of small pictures with a line under each: samples, channels, filters, activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnreport.facts import Raster
from nnreport.render import format
from nnreport.render.pictures_png import BROKEN, SCALES, STEPS, TOP, Sheet, levels
from nnreport.render.svg import INK, MUTED, label, tag

GAP = 5.0
"""Pixels between tiles."""
LINE = 15.0
"""Of a label under a tile."""


class Drawn(NamedTuple):
    """A piece of a picture: markup that begins at its own upper left corner."""

    content: str
    width: float
    height: float


class Tile(NamedTuple):
    """One small picture."""

    planes: Sequence[bytes]
    """One plane of bytes, or three: red, green and blue."""
    text: str = ""
    strong: bool = False
    """Its label is what the reader should see."""


def tiles(
    some: Sequence[Tile], width: int, height: int, *, scale: str | None, room: float, size: float, least: float = 1.0
) -> Drawn:
    """Tiles of ``width`` × ``height`` values in rows.

    Args:
        some: the tiles.
        scale: of the colours; None for red, green and blue.
        room: pixels across.
        size: about the pixels of a tile's longer side.
        least: pixels that a tile takes across at least, for its label.
    """
    if not some:
        return Drawn("", 0, 0)
    zoom = max(1, int(size / max(width, height)))
    labelled = any(tile.text for tile in some)
    gap_x = max(1, -(-int(max(GAP, least - width * zoom)) // zoom))
    gap_y = max(1, round(((LINE if labelled else 0) + GAP) / zoom))
    columns = max(1, min(len(some), int((room + gap_x * zoom) // ((width + gap_x) * zoom))))
    lines = -(-len(some) // columns)
    sheet = Sheet(columns * (width + gap_x) - gap_x, lines * (height + gap_y) - gap_y, scale)
    parts = []
    for i, tile in enumerate(some):
        x, y = (i % columns) * (width + gap_x), (i // columns) * (height + gap_y)
        sheet.tile(x, y, width, tile.planes)
        if tile.text:
            bold = {"font_weight": "600"} if tile.strong else {}
            at = label(x * zoom, (y + height) * zoom + 11.0, tile.text, size=10, fill=INK if tile.strong else MUTED, **bold)
            parts.append(at)
    drawn = image(sheet, zoom)
    wide = max(sheet.width * zoom, (columns - 1) * (width + gap_x) * zoom + 5.6 * max(len(tile.text) for tile in some))
    return Drawn(drawn + "".join(parts), min(room, wide), sheet.height * zoom + (LINE if labelled else 0))


def image(sheet: Sheet, zoom: float, down: float | None = None) -> str:
    """The sheet as an element whose pixels stay square blocks."""
    return tag(
        "image",
        href=sheet.address(),
        width=float(sheet.width * zoom),
        height=float(sheet.height * (down or zoom)),
        image_rendering="pixelated",
        preserveAspectRatio="none",
    )


def stacked(pieces: Sequence[Drawn], gap: float = 10.0) -> Drawn:
    """Pieces under each other."""
    parts, y = [], 0.0
    kept = [piece for piece in pieces if piece.content]
    for piece in kept:
        parts.append(tag("g", piece.content, transform=f"translate(0 {y:.1f})") if y else piece.content)
        y += piece.height + gap
    return Drawn("".join(parts), max((piece.width for piece in kept), default=0.0), max(0.0, y - gap))


def planes(raster: Raster) -> list[list[bytes]] | None:
    """[sample][channel] of a raster [sample, channel, y, x]; None where it is damaged."""
    data = levels(raster)
    if data is None or len(raster.shape) != 4:
        return None
    samples, channels, height, width = raster.shape
    size = height * width
    return [[data[(s * channels + c) * size : (s * channels + c + 1) * size] for c in range(channels)] for s in range(samples)]


def samples(raster: Raster, names: Sequence[str], room: float, apart: bool) -> Drawn | None:
    """Samples in colours or grey; ``apart`` adds the channels of the first one, each for itself."""
    found = planes(raster)
    if found is None:
        return None
    channels, height, width = raster.shape[1:]
    size = 128.0 if len(found) <= 2 else 96.0
    colours = channels >= 3
    some = [Tile(each[:3] if colours else each[:1], names[i] if i < len(names) else "") for i, each in enumerate(found)]
    drawn = tiles(some, width, height, scale=None if colours else "grey", room=room, size=size, least=66)
    if not (colours and apart):
        return drawn
    words = ("as red", "as green", "as blue", "alpha?")
    single = [Tile([plane], f"channel {i}, {words[i]}") for i, plane in enumerate(found[0])]
    return stacked([drawn, tiles(single, width, height, scale="grey", room=room, size=size, least=108)])


def channels(raster: Raster, room: float, size: float = 60.0) -> Drawn | None:
    """The channels of the first sample, one tile each."""
    found = planes(raster)
    if found is None:
        return None
    some = [Tile([plane], f"channel {i}") for i, plane in enumerate(found[0])]
    return tiles(some, raster.shape[3], raster.shape[2], scale="heat", room=room, size=size, least=58)


def classes(raster: Raster | None, names: Sequence[str], room: float) -> Drawn | None:
    """[sample, y, x] of class indices, a colour each (they come round again after fourteen)."""
    data = levels(raster)
    if data is None or raster is None or len(raster.shape) != 3:
        return None
    count, height, width = raster.shape
    low, high = raster.low[0], raster.high[0]
    size = height * width
    # back from bytes to indices, then one step of the palette for each index
    index = [round(low + (high - low) * level / TOP) % STEPS for level in range(BROKEN)]
    table = bytes([*((each * (TOP + 1) + TOP // 2) // STEPS for each in index), BROKEN])
    some = [Tile([data[i * size : (i + 1) * size].translate(table)], names[i] if i < len(names) else "") for i in range(count)]
    drawn = tiles(some, width, height, scale="classes", room=room, size=96, least=66)
    present = sorted({round(low + (high - low) * level / TOP) for level in set(data) if level != BROKEN})
    return stacked([drawn, legend(present, room)], 6.0)


def legend(present: Sequence[int], room: float) -> Drawn:
    """Which colour is which class; the first ones that fit two lines."""
    parts, x, y = [], 0.0, 0.0
    for each in present:
        if x + 60 > room:
            x, y = 0.0, y + 16
        if y > 16:
            break
        red, green, blue = SCALES["classes"][each % STEPS]
        parts.append(tag("rect", x=x, y=y + 2, width=10.0, height=10.0, fill=f"#{red:02x}{green:02x}{blue:02x}", class_="ca"))
        parts.append(label(x + 14, y + 11, f"class {each}", size=10))
        x += 26 + 5.8 * len(f"class {each}")
    return Drawn("".join(parts), room, y + 16)


def strip(raster: Raster | None, room: float, down: float = 11.0) -> Drawn | None:
    """[row, place] as bars of colour, a row each, over the whole width."""
    data = levels(raster)
    if data is None or raster is None or len(raster.shape) != 2:
        return None
    height, width = raster.shape
    sheet = Sheet(width, height, "heat")
    sheet.tile(0, 0, width, [data])
    zoom = min(room / width, 8.0)
    return Drawn(image(sheet, zoom, down), width * zoom, height * down)


def plane(raster: Raster | None, room: float, tall: float, upside: bool = False) -> Drawn | None:
    """[y, x] as one heat map; ``upside``: the first row is the lowest."""
    data = levels(raster)
    if data is None or raster is None or len(raster.shape) != 2:
        return None
    height, width = raster.shape
    if upside:
        data = b"".join(data[y * width : (y + 1) * width] for y in reversed(range(height)))
    sheet = Sheet(width, height, "heat")
    sheet.tile(0, 0, width, [data])
    zoom, down = min(room / width, 12.0), min(tall / height, 12.0)
    return Drawn(image(sheet, zoom, down), width * zoom, height * down)


def ends(raster: Raster) -> str:
    """``−1 … 1``: what black and white, or the two ends of the colours, stand for."""
    return f"{format.number(raster.low[0])} … {format.number(raster.high[0])}" if raster.low and raster.high else ""
