"""How the first layers see it: filters and activation maps, dead ones marked in words."""

from __future__ import annotations

from nnreport.facts import Filters, Maps, Pictures
from nnreport.render import format
from nnreport.render.pictures_panel import HALF, Panel, chart
from nnreport.render.pictures_png import levels
from nnreport.render.pictures_tiles import Drawn, Tile, ends, plane, planes, tiles
from nnreport.render.svg import MUTED, label, tag


def filters_panel(found: Filters) -> Panel:
    """The first layer's filters, one scale for all."""
    grid = planes(found.raster)
    title = f"Filters of {found.module or 'the model'}"
    about = f"{found.parameter}, {format.shape(found.shape)}"
    if grid is None:
        return Panel(title, None, about, [])
    channels_, height, width = found.raster.shape[1:]
    zero = set(found.zero)
    colours = channels_ == 3
    some = [Tile(each[:3] if colours else each[:1], f"{i} zero" if i in zero else "", i in zero) for i, each in enumerate(grid)]
    size = 44.0 if max(height, width) <= 12 else 84.0
    drawn = tiles(some, width, height, scale=None if colours else "sides", room=HALF, size=size)
    count = found.shape[0] if found.shape else len(grid)
    seen = f"{len(grid)} of {count} filters" if count > len(grid) else format.plural(count, "filter")
    seen += f", {format.shape([height, width])}, one scale for all: {ends(found.raster)}"
    seen += ", grey is zero, its three channels as red, green and blue" if colours else ", white is zero"
    warnings = []
    if zero:
        said = "is" if len(zero) == 1 else "are"
        warnings.append(f"{format.plural(len(zero), 'filter')} {said} zero everywhere: {listed(found.zero)}.")
    alt = f"{title}, {about}. {' '.join(warnings)} {seen}."
    return Panel(title, chart(title, alt, drawn, [], HALF, f"{seen}."), about, [], warnings, alt)


def maps_panel(found: Maps, known: Pictures) -> Panel:
    """Some channels of one layer; dead ones are marked in words."""
    title = f"Maps of {found.operation} in {found.module or 'the model'}"
    about = f"output {format.shape(found.shape)}"
    data = levels(found.raster)
    if data is None or len(found.raster.shape) not in (2, 3) or len(found.channels) != found.raster.shape[0]:
        return Panel(title, None, about, [])
    dead = set(found.dead)
    names = [f"{channel} dead" if channel in dead else str(channel) for channel in found.channels]
    total = found.shape[1] if len(found.shape) > 1 else len(names)
    seen = f"{len(names)} of {total} channels" if total > len(names) else format.plural(total, "channel")
    seen += f" of the first sample, in eval mode before any training here, dark to light {ends(found.raster)}"
    if len(found.raster.shape) == 3:
        _, height, width = found.raster.shape
        size = height * width
        some = [
            Tile([data[i * size : (i + 1) * size]], name, channel in dead)
            for i, (name, channel) in enumerate(zip(names, found.channels, strict=True))
        ]
        drawn = tiles(some, width, height, scale="heat", room=HALF, size=58, least=58)
    else:
        bars = plane(found.raster, HALF - 60, 16.0 * len(names))
        assert bars is not None
        tall = bars.height / len(names)
        texts = "".join(label(54, (i + 0.5) * tall + 4, name, anchor="end", size=10, fill=MUTED) for i, name in enumerate(names))
        drawn = Drawn(texts + tag("g", bars.content, transform="translate(60 0)"), HALF, bars.height)
        seen += "; time runs from left to right"
    warnings = []
    if found.dead_count:
        batch = f"the {known.samples} samples" if known.samples > 1 else "the one sample" if known.samples else "the sample"
        count = f"{found.dead_count:,} of {total:,} channels {'is' if found.dead_count == 1 else 'are'}"
        warnings.append(f"{count} zero everywhere for {batch}: {listed(found.dead, found.dead_count)}.")
    alt = f"{title}, {about}. {' '.join(warnings)} {seen}."
    return Panel(title, chart(title, alt, drawn, [], HALF, f"{seen}."), about, [], warnings, alt)


def listed(indices: list[int], count: int = 0) -> str:
    """The first few indices, and how many more."""
    some = ", ".join(map(str, indices[:8]))
    more = max(count, len(indices)) - len(indices[:8])
    return f"{some} and {more:,} more" if more > 0 else some
