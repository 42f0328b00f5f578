"""What goes in, what comes out, filters and maps, on matplotlib axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nnreport.facts import Filters, Maps, Picture, Pictures, Raster
from nnreport.render import format
from nnreport.render.figures_curves import escaped, plain
from nnreport.render.pictures_png import BROKEN, TOP, levels


def drawings(pictures: Pictures) -> dict[str, Callable[[Any], None]]:
    """Name -> what draws it: ``input x``, ``output``, ``target``, ``filters``, ``maps 1`` …"""
    found: dict[str, Callable[[Any], None]] = {}
    groups = [("input", pictures.inputs), ("output", pictures.outputs), ("target", pictures.targets)]
    for role, some in groups:
        for each in some:
            name = role if each.name == role else f"{role} {each.name}"
            if draw := drawing(each):
                found[name] = partial(titled, draw=draw, each=each, title=name)
    if pictures.filters and levels(pictures.filters.raster):
        found["filters"] = partial(filters, found=pictures.filters)
    for i, each_map in enumerate(pictures.maps):
        if levels(each_map.raster):
            found[f"maps {i + 1}"] = partial(maps, found=each_map)
    return found


def drawing(each: Picture) -> Callable[[Any, Picture], None] | None:
    """What draws a picture of this kind; None where it holds nothing to draw."""
    kind = each.kind
    if kind in ("image", "channels"):
        return images if levels(each.raster) and each.raster and len(each.raster.shape) == 4 else None
    if kind in ("classes", "mask", "map") or (kind == "tokens" and each.raster):
        return plane if levels(each.raster) else None
    if kind in ("waveform", "series"):
        return lines if levels(each.raster) and each.raster and len(each.raster.shape) == 2 else None
    if kind in ("row", "values", "scores"):
        return entries if each.row or each.rows else None
    return None


def titled(figure: Any, draw: Callable[[Any, Picture], None], each: Picture, title: str) -> None:
    """The picture under its name; noise is called noise."""
    draw(figure, each)
    noise = " (noise)" if each.noise else ""
    figure.suptitle(f"{escaped(title)}: {format.tensor(each.tensor)}{noise}")


def array(raster: Raster) -> Any:
    """The values of a raster as a NumPy array, NaN where they were not finite."""
    import numpy

    values = numpy.frombuffer(levels(raster) or b"", dtype=numpy.uint8).reshape(raster.shape).astype(float)
    shape = [len(raster.low), *[1] * (len(raster.shape) - 1)]
    low, high = numpy.array(raster.low).reshape(shape), numpy.array(raster.high).reshape(shape)
    return numpy.where(values == BROKEN, numpy.nan, low + (high - low) * values / TOP)


def tiled(figure: Any, count: int, columns: int) -> list[Any]:
    """``count`` axes without ticks, in rows."""
    rows = -(-count // columns)
    made = figure.subplots(rows, min(count, columns), squeeze=False).ravel().tolist()
    for axes in made:
        axes.set_axis_off()
    return made[:count]


def images(figure: Any, each: Picture) -> None:
    """Samples in colours, or the channels of the first one."""
    import numpy

    assert each.raster is not None
    values = array(each.raster)
    low, high = each.raster.low[0], each.raster.high[0]
    if each.kind == "image":
        shares = numpy.nan_to_num((values - low) / ((high - low) or 1.0)).clip(0, 1)
        for axes, one in zip(tiled(figure, len(shares), 4), shares, strict=True):
            colours = one[:3].transpose(1, 2, 0) if len(one) >= 3 else one[0]
            axes.imshow(colours, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        return
    for i, axes in enumerate(tiled(figure, values.shape[1], 4)):
        axes.imshow(values[0, i], vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(f"channel {i}")


def plane(figure: Any, each: Picture) -> None:
    """A heat map, or a map of classes for each sample."""
    assert each.raster is not None
    values = array(each.raster)
    if values.ndim == 3:
        for axes, one in zip(tiled(figure, len(values), 4), values, strict=True):
            axes.imshow(one, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
        return
    axes = figure.subplots()
    shown = axes.imshow(values, aspect="auto", interpolation="nearest")
    if each.kind == "map":
        axes.set(xlabel=each.axes[1] if len(each.axes) > 1 else "", ylabel=each.axes[0] if each.axes else "")
        if len(each.row) == len(values):
            axes.set_yticks(range(len(values)), [str(entry.index) for entry in each.row])
        figure.colorbar(shown, ax=axes)
    else:
        axes.set(xlabel="place", ylabel="sample")


def lines(figure: Any, each: Picture) -> None:
    """A waveform over its spectrogram, or a series a feature."""
    import numpy

    assert each.raster is not None
    values = array(each.raster)
    places = numpy.linspace(0, max(0, each.length - 1), values.shape[1])
    if each.kind == "waveform":
        below = each.second if each.second and levels(each.second) else None
        made = figure.subplots(2 if below else 1, 1, squeeze=False).ravel()
        made[0].fill_between(places, values[0], values[1])
        made[0].set_xlabel("" if below else "time (samples)")
        if below:
            made[1].imshow(array(below), aspect="auto", origin="lower", extent=(0, each.length, 0, 0.5))
            made[1].set(xlabel="time (samples)", ylabel="frequency over the sampling rate")
        return
    made = figure.subplots(len(values), 1, sharex=True, squeeze=False).ravel()
    for i, (axes, line) in enumerate(zip(made, values, strict=True)):
        axes.plot(places, line)
        axes.set_ylabel(f"feature {i}")
    made[-1].set_xlabel("time")


def entries(figure: Any, each: Picture) -> None:
    """Columns of a row, numbers of samples, or the scores of the first sample."""
    axes = figure.subplots()
    some = each.row or (each.rows[0] if each.rows else [])
    values = plain([entry.value for entry in some])
    places = range(len(some))
    axes.bar(places, values, label="value")
    axes.set_xticks(places, [str(entry.index) for entry in some])
    targets = plain([entry.target for entry in some])
    if any(entry.target is not None for entry in some):
        axes.plot(places, targets, "o", color="C1", fillstyle="none", label="target")
        axes.legend()
    axes.set(xlabel={"values": "sample", "scores": "class"}.get(each.kind, "column"), ylabel="value")


def filters(figure: Any, found: Filters) -> None:
    """The first layer's filters, one scale for all."""
    import numpy

    values = array(found.raster)
    most = found.raster.high[0] or 1.0
    for i, axes in enumerate(tiled(figure, len(values), 8)):
        one = values[i]
        if len(one) == 3:
            axes.imshow(numpy.nan_to_num((one / most + 1) / 2).clip(0, 1).transpose(1, 2, 0), interpolation="nearest")
        else:
            axes.imshow(one[0], cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        if i in found.zero:
            axes.set_title(f"{i} zero", fontsize="small")
    figure.suptitle(f"Filters of {escaped(found.module or 'the model')}")


def maps(figure: Any, found: Maps) -> None:
    """Some channels of one layer; dead ones are called so."""
    values = array(found.raster)
    low, high = found.raster.low[0], found.raster.high[0]
    names = [f"{channel} dead" if channel in found.dead else str(channel) for channel in found.channels]
    if values.ndim == 3:
        for axes, one, name in zip(tiled(figure, len(values), 4), values, names, strict=False):
            axes.imshow(one, vmin=low, vmax=high, interpolation="nearest")
            axes.set_title(name, fontsize="small")
    else:
        axes = figure.subplots()
        axes.imshow(values, aspect="auto", vmin=low, vmax=high, interpolation="nearest")
        axes.set_yticks(range(len(values)), names[: len(values)])
        axes.set(xlabel="time", ylabel="channel")
    figure.suptitle(f"{found.operation} in {escaped(found.module or 'the model')}")
