"""What goes in and what comes out, drawn in its own kind, with what is to be seen in words beside it."""

from __future__ import annotations

import math
from typing import NamedTuple

from nnreport.facts import Facts, Number, Picture, Pictures, Range
from nnreport.render import format
from nnreport.render.pictures_layers import filters_panel, maps_panel
from nnreport.render.pictures_lines import dots, scores, series, tokens, waveform
from nnreport.render.pictures_panel import HALF, WHOLE, Panel, Table, chart
from nnreport.render.pictures_tiles import Drawn, channels, classes, ends, plane, samples, stacked, strip
from nnreport.render.svg import label, tag

MOST_SAMPLES = 64
"""Names of samples that are made, whatever a file claims to hold."""
CLASS_LOSSES = ("cross_entropy", "nll", "surrogate", "custom", "")
"""Losses after which the entries of an output are taken for classes."""
NOISE = "Noise, as no --data was given: it shows no picture, text or sound of yours."


class Panels(NamedTuple):
    """The section: inputs and targets, outputs, the first layers."""

    inputs: list[Panel]
    outputs: list[Panel]
    layers: list[Panel]


def panels(facts: Facts) -> Panels | None:
    """The pictures of a report; None where there are none."""
    known = facts.pictures
    if known is None:
        return None
    loss = facts.probe.loss.kind if facts.probe and facts.probe.loss else ""
    inputs = [panel(each, f"Input {each.name}", known, loss) for each in known.inputs]
    outputs = [panel(each, output_name(each), known, loss) for each in known.outputs]
    targets = [panel(each, "Target", known, loss) for each in known.targets]
    layers = [filters_panel(known.filters)] if known.filters else []
    layers += [maps_panel(each, known) for each in known.maps]
    made = Panels(inputs, outputs + targets, [each for each in layers if each.chart])
    return made if made.inputs or made.outputs or made.layers else None


def output_name(each: Picture) -> str:
    return "Output" if each.name == "output" else f"Output {each.name}"


def panel(each: Picture, title: str, known: Pictures, loss: str) -> Panel:
    """One input, output or target."""
    try:
        drawn, seen, rows, wide = draw(each, known, loss)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as error:
        drawn, seen, rows, wide = None, f"it could not be drawn ({type(error).__name__})", [], False
    about = f"{format.tensor(each.tensor)}{within(each.range)}"
    remarks = [NOISE] if each.noise else []
    remarks += each.remarks
    if drawn is None:
        return Panel(title, None, about, remarks or [f"{seen[:1].upper()}{seen[1:]}."], each.warnings)
    source = f" Source: {each.source}." if each.source and not each.noise else ""
    alt = f"{title}, {about}. {' '.join([*each.warnings, f'{seen}.{source}', *remarks])}"
    made = chart(title, alt, drawn, rows, WHOLE if wide else HALF, f"{seen}.{source}")
    return Panel(title, made, about, remarks, each.warnings, alt)


def within(found: Range | None) -> str:
    """``, −2.1 … 2.6, 3 NaN``."""
    if found is None:
        return ""
    text = f", {format.number(found.minimum)} … {format.number(found.maximum)}"
    text += f", {found.nan:,} NaN" if found.nan else ""
    return text + (f", {found.inf:,} Inf" if found.inf else "")


def draw(each: Picture, known: Pictures, loss: str) -> tuple[Drawn | None, str, Table | list, bool]:
    """(drawing, what is seen in words, table, over the whole width) of a picture."""
    shown = min(each.raster.shape[0], MOST_SAMPLES) if each.raster and each.raster.shape else 0
    names = sample_names(known, shown)
    if each.kind == "image" and each.raster:
        count = format.plural(each.raster.shape[0], "sample") if len(each.raster.shape) == 4 else ""
        size = " × ".join(str(side) for side in reversed(each.raster.shape[2:]))
        colour = each.raster.shape[1] >= 3 if len(each.raster.shape) == 4 else False
        whole = each.tensor is None or math.prod(each.tensor.shape[1:]) <= math.prod(each.raster.shape[1:])
        seen = f"{count}, {'' if whole else 'averaged to '}{size} pixels, black to white {ends(each.raster)}"
        seen += "; below, each channel of the first one" if colour and not each.noise else ""
        return samples(each.raster, names, HALF, apart=not each.noise), seen, [], False
    if each.kind == "channels" and each.raster:
        several = each.raster.shape[1] if len(each.raster.shape) == 4 else 0
        seen = f"{several} of {each.length} channels" if each.length else format.plural(several, "channel")
        seen += f" of the first sample, dark to light {ends(each.raster)}"
        parts = [channels(each.raster, HALF)]
        if each.second:
            seen += "; below, which channel is largest where"
            parts.append(classes(each.second, sample_names(known, min(each.second.shape[0], MOST_SAMPLES)), HALF))
        return pieces(parts), seen, [], False
    if each.kind == "classes" and each.raster:
        return classes(each.raster, names, HALF), "the class of each place", [], False
    if each.kind == "tokens":
        return draw_tokens(each, known)
    if each.kind == "mask":
        seen = f"a line a sample, {format.plural(each.length, 'place')}, light is on"
        return strip(each.raster, HALF), seen, [], False
    if each.kind == "waveform":
        return draw_wave(each)
    if each.kind == "series" and each.raster:
        some = each.raster.shape[0]
        seen = f"{format.plural(some, 'feature')} of the first sample over {format.plural(each.length, 'place')}"
        return series(each.raster, HALF), seen + ", each on its own scale" * (some > 1), [], False
    if each.kind == "map":
        return draw_map(each)
    if each.kind == "row":
        return draw_row(each)
    if each.kind == "scores":
        return draw_scores(each, known, loss)
    if each.kind == "values":
        return draw_values(each)
    return None, "it is not drawn", [], False


def pieces(parts: list[Drawn | None]) -> Drawn | None:
    kept = [part for part in parts if part is not None]
    return stacked(kept) if kept else None


def sample_names(known: Pictures, count: int) -> list[str]:
    """``sample 0, label 7``."""
    return [f"sample {i}" + (f", label {number}" if (number := label_of(known.labels, i)) else "") for i in range(count)]


def label_of(labels: list[Number], i: int) -> str:
    return format.number(labels[i]).replace(",", "") if i < len(labels) else ""


def draw_tokens(each: Picture, known: Pictures) -> tuple[Drawn | None, str, Table | list, bool]:
    """Ids, and a strip of the whole length where it is long."""
    names = [f"sample {i}" for i in range(len(each.tokens))] if len(each.tokens) > 1 else []
    shown = max((len(ids) for ids in each.tokens), default=0)
    seen = f"the first {shown} of {each.length:,} ids" if each.length > shown else format.plural(shown, "id")
    parts = [tokens(each, names, WHOLE)]
    if each.raster:
        seen += "; below, the whole length: where the colour stays the same an id is repeated (padding)"
        parts.append(strip(each.raster, WHOLE))
    rows = [[names[i] if names else "ids", " ".join(map(str, ids))] for i, ids in enumerate(each.tokens)]
    return pieces(parts), seen, (["sample", "ids"], rows), True


def draw_wave(each: Picture) -> tuple[Drawn | None, str, Table | list, bool]:
    """The outline over its spectrogram."""
    seen = f"the first sample, {format.plural(each.length, 'value')} from left to right"
    parts = [waveform(each.raster, HALF)]
    if each.second and (spectrum := plane(each.second, HALF - 48, 110, upside=True)):
        texts = label(42, 10, "½ rate", anchor="end") + label(42, 108, "0", anchor="end")
        parts.append(Drawn(texts + tag("g", spectrum.content, transform="translate(48 0)"), HALF, spectrum.height))
        seen += "; below, its spectrogram, from 0 to half the sampling rate, light is loud"
    return pieces(parts), seen, [], False


def draw_map(each: Picture) -> tuple[Drawn | None, str, Table | list, bool]:
    """A heat map; of classes, with their indices beside it."""
    if each.raster is None or len(each.raster.shape) != 2:
        return None, "it is not drawn", [], False
    across = each.axes[1] if len(each.axes) > 1 else "place"
    down = each.axes[0] if each.axes else "feature"
    named = down == "class" and len(each.row) == each.raster.shape[0]
    left = 64.0 if named else 0.0
    drawn = plane(each.raster, HALF - left, 16.0 * each.raster.shape[0] if named else 240)
    if drawn is None:
        return None, "it is not drawn", [], False
    if not named:
        shape = format.shape(each.raster.shape)
        return drawn, f"{down} down, {across} across ({shape} cells), dark to light {ends(each.raster)}", [], False
    tall = drawn.height / each.raster.shape[0]
    texts = "".join(
        label(left - 6, (i + 0.5) * tall + 4, f"class {entry.index}", anchor="end", size=10) for i, entry in enumerate(each.row)
    )
    content = texts + tag("g", drawn.content, transform=f"translate({left:g} 0)")
    places = f"the first {each.raster.shape[1]} of {each.length:,} places" if each.length > each.raster.shape[1] else "all places"
    seen = f"how likely which class is, {places} of the first sample across, dark to light {ends(each.raster)}"
    rows = [[f"class {entry.index}", format.number(entry.value)] for entry in each.row]
    return Drawn(content, HALF, drawn.height), seen, (["class", "largest share"], rows), False


def draw_row(each: Picture) -> tuple[Drawn | None, str, Table | list, bool]:
    """Features, by their index."""
    own = all(entry.low is not None for entry in each.row)
    more = f"the first {len(each.row)} of {each.length:,} columns" if each.length > len(each.row) else "its columns"
    seen = f"the first sample, {more}"
    seen += "; the line is the batch's range of each column, on a scale of its own" if own else ""
    rows = [
        [f"column {e.index}", format.number(e.value), *([format.number(e.low), format.number(e.high)] if own else [])]
        for e in each.row
    ]
    head = ["column", "value", *(["smallest", "largest"] if own else [])]
    return dots(each.row, [f"column {e.index}" for e in each.row], HALF), seen, (head, rows), False


def draw_scores(each: Picture, known: Pictures, loss: str) -> tuple[Drawn | None, str, Table | list, bool]:
    """Classes by their scores; columns of numbers where the loss wants numbers."""
    targets = any(entry.target is not None for entry in each.row)
    if loss not in CLASS_LOSSES or targets:
        some = f"the first {len(each.row)} of {each.length:,} columns" if each.length > len(each.row) else "its columns"
        seen = f"the first sample, {some}" + ("; a ring is the target" if targets else "")
        rows = [[f"column {e.index}", format.number(e.value), format.number(e.target)] for e in each.row]
        return dots(each.row, [f"column {e.index}" for e in each.row], HALF), seen, (["column", "value", "target"], rows), False
    labels = [label_of(known.labels, i) for i in range(len(each.rows))]
    distribution = each.range is not None and each.range.minimum >= 0 and each.range.maximum <= 1
    best = len(each.rows[0]) if each.rows else 0
    what = "the values" if distribution else "values, and their softmax"
    some = f"the {best} largest of {each.length:,} classes" if best < each.length else format.plural(best, "class", "classes")
    seen = f"{some} for each sample, {what}; before any training here"
    rows = [
        [f"sample {i}", f"class {entry.index}", format.number(entry.value), format.percent(entry.share), labels[i]]
        for i, row in enumerate(each.rows)
        for entry in row
    ]
    head = ["sample", "class", "value", "softmax", "target"]
    return scores(each.rows, labels, not distribution, HALF), seen, (head, rows), False


def draw_values(each: Picture) -> tuple[Drawn | None, str, Table | list, bool]:
    """One number a sample."""
    targets = any(entry.target is not None for entry in each.row)
    seen = "one number a sample" if len(each.row) > 1 else "one number"
    seen += "; a ring is the target" if targets else ""
    names = [f"sample {entry.index}" for entry in each.row]
    rows = [[name, format.number(e.value), format.number(e.target)] for name, e in zip(names, each.row, strict=True)]
    return dots(each.row, names, HALF), seen, (["sample", "value", "target"], rows), False
