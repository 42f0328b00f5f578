"""The PDF's pictures of what goes in and what comes out: those of the page, beside each other on A4."""

from __future__ import annotations

from typing import NamedTuple

from nnreport.facts import Facts
from nnreport.render.paper_figures import PORTRAIT, address, size_of
from nnreport.render.pictures import Panel, panels

HALF = 306.0
"""CSS pixels of two pictures beside each other."""
LARGEST = 0.8
"""Scale of one that has room: its letters are then those of the captions."""


class Pictured(NamedTuple):
    """One picture with its words."""

    title: str
    about: str
    alt: str
    source: str
    """``data:`` address of the SVG; empty where there is none."""
    width: float
    height: float
    place: str
    note: str
    warnings: list[str]


def pictures(facts: Facts) -> dict[str, list[Pictured]] | None:
    """Inputs and outputs, and the first layers; None where there are no pictures."""
    found = panels(facts)
    if found is None:
        return None
    return {"inputs": [*map(pictured, found.inputs), *map(pictured, found.outputs)], "layers": [*map(pictured, found.layers)]}


def pictured(panel: Panel) -> Pictured:
    """One panel at the size of its place."""
    words = " ".join(panel.remarks)
    if panel.chart is None:
        return Pictured(panel.title, panel.about, "", "", 0, 0, "half", words, panel.warnings)
    note = f"{panel.chart.note[:1].upper()}{panel.chart.note[1:]} {words}".strip()
    room = PORTRAIT[0] if panel.wide else HALF
    drawn, height = size_of(panel.chart.svg)
    scale = min(room / drawn, PORTRAIT[1] / height, LARGEST)
    place = "" if panel.wide else "half"
    alt = panel.alt or panel.title
    return Pictured(
        panel.title, panel.about, alt, address(panel.chart.svg), drawn * scale, height * scale, place, note, panel.warnings
    )
