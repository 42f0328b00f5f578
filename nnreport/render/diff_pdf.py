"""A comparison as a PDF, with the conventions of a report's: tagged, bookmarks, the JSON attached, reproducible."""

from __future__ import annotations

from datetime import datetime, timezone

from nnreport.compare.records import Comparison
from nnreport.render.diff_json import render as saved
from nnreport.render.diff_paper import content
from nnreport.render.pdf import load, note_on, produce, template


def render(comparison: Comparison) -> bytes:
    """The PDF.

    Raises:
        UsageError: WeasyPrint or Pango is missing.
    """
    return with_notes(comparison)[0]


def with_notes(comparison: Comparison) -> tuple[bytes, list[str]]:
    """The PDF, and which characters no font of this machine has; raises as :func:`render`."""
    weasyprint = load()
    html = template("diff_paper.html.j2").render(content(comparison))
    about = "The whole comparison as data"
    data, missing = produce(weasyprint, html, saved(comparison), moment(comparison), "comparison.json", about)
    return data, [note_on(missing)] if missing else []


def moment(comparison: Comparison) -> datetime | None:
    """When the new report was made, in UTC; None if unknown."""
    try:
        made = datetime.fromisoformat(comparison.new.time.replace("Z", "+00:00"))
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=timezone.utc)
