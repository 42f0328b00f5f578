"""One picture of the section, with its words."""

from __future__ import annotations

from typing import NamedTuple

from nnreport.render.charts import Chart
from nnreport.render.pictures_tiles import Drawn
from nnreport.render.svg import picture

HALF, WHOLE = 530.0, 1080.0
"""Widths of a picture that shares its row, and of one that has it alone."""
Table = tuple[list[str], list[list[str]]]
"""Head and rows of the numbers; an empty list where there are none."""


class Panel(NamedTuple):
    """One picture of the section."""

    title: str
    chart: Chart | None
    """None where it cannot be drawn; then ``remarks`` say why."""
    about: str
    """Shape, range, source."""
    remarks: list[str]
    """How it was read."""
    warnings: list[str] = []
    """What does not look right."""
    alt: str = ""
    """The picture in words."""

    @property
    def wide(self) -> bool:
        """It takes the whole row."""
        return self.chart is not None and self.chart.kind == "wide"


def chart(title: str, alt: str, drawn: Drawn, table: Table | list, room: float, note: str) -> Chart:
    """A picture with its alternative text, as wide as what is on it."""
    head, rows = table if isinstance(table, tuple) else ([], [])
    svg = picture(min(room, drawn.width + 1), max(1.0, drawn.height), alt, drawn.content)
    return Chart(svg, title, head, rows, "wide" if room > HALF else "picture", note)
