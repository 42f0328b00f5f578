"""The report as a PDF: tagged, with bookmarks, the JSON attached, and the same bytes for the same report.

WeasyPrint is imported here alone and only when a PDF is wanted: it takes 0.6 s, and raises where Pango is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import unicodedata
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import lru_cache
from importlib.resources import files
from typing import Any

from nnreport.errors import UsageError
from nnreport.render.pango import pdf_problem
from nnreport.render.paper import content, moment_of
from nnreport.render.plain import visible
from nnreport.report import Report
from nnreport.store import dump

TEMPLATES = "nnreport.templates"
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""Date of the attachment where the report's own is not known; a fixed one, for equal bytes."""


def render(report: Report) -> bytes:
    """The PDF.

    Raises:
        UsageError: WeasyPrint or Pango is missing; one line says how to install it.
    """
    return with_notes(report)[0]


def with_notes(report: Report) -> tuple[bytes, list[str]]:
    """The PDF, and which characters no font of this machine has (the PDF says so too, at its end).

    Raises:
        UsageError: as :func:`render`.
    """
    weasyprint = load()
    values = content(report)
    data, missing = draw(weasyprint, report, values)
    if not missing:
        return data, []
    note = note_on(missing)
    values["notes"] = [*values["notes"], note]
    return draw(weasyprint, report, values)[0], [note]


def draw(weasyprint: Any, report: Report, values: dict[str, Any]) -> tuple[bytes, list[str]]:
    """The PDF of these values, and the characters that have no glyph, as ``U+5C64 CJK UNIFIED IDEOGRAPH-5C64``."""
    return produce(
        weasyprint, template().render(values), dump(report), moment_of(report), "report.json", "The whole report as data"
    )


def produce(weasyprint: Any, html: str, saved: bytes, moment: datetime | None, name: str, about: str) -> tuple[bytes, list[str]]:
    """The PDF of a document, and the characters that have no glyph.

    Args:
        weasyprint: see :func:`load`.
        html: the document; ``paper.css`` is its style.
        saved: what is attached, UTF-8.
        moment: when that was made.
        name: its file name.
        about: what it is.
    """
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    moment = moment or LONG_AGO
    attachment = weasyprint.Attachment(
        string=saved.decode(),
        name=name,
        description=about,
        created=moment,
        modified=moment,
        relationship="Data",
        url_fetcher=fetcher,
    )
    style = weasyprint.CSS(string=files(TEMPLATES).joinpath("paper.css").read_text("utf-8"), url_fetcher=fetcher)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher, base_url="data:,")
    options: dict[str, Any] = {
        "stylesheets": [style],
        "attachments": [attachment],
        "pdf_identifier": hashlib.sha256(saved).digest()[:16],
    }
    with heard() as remarks:
        try:
            data = document.write_pdf(pdf_variant="pdf/ua-1", **options)
        except (ValueError, KeyError, AttributeError, TypeError):  # a fault in tagging; better a PDF without tags than none
            data = document.write_pdf(**options)
    return bytes(data), list(dict.fromkeys(remarks))


def note_on(missing: list[str]) -> str:
    """What a reader is told of characters that no font has."""
    named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
    return f"The PDF shows boxes for characters that no font here has ({named}): {fonts_for(missing)}"


NAMED = 3
"""Characters without a font that are named; the others are counted."""


def fonts_for(missing: list[str]) -> str:
    """What to install for these characters."""
    cjk = any(word in name for name in missing for word in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
    emoji = any(len(name.split()[0]) > len("U+FFFF") for name in missing)
    packages = ["fonts-noto-cjk"] * cjk + ["fonts-noto-color-emoji"] * emoji or ["fonts-noto-core"]
    return f"install a font, for example {' and '.join(packages)}"


def warm() -> None:
    """Import what drawing needs, while the caller waits for something else."""
    load()
    template()


def load() -> Any:
    """WeasyPrint.

    Raises:
        UsageError: it cannot be imported.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints advice there before it raises
            import weasyprint
            import weasyprint.urls
    except (ImportError, OSError):
        raise UsageError(pdf_problem() or "a PDF needs WeasyPrint: pip install weasyprint") from None
    return weasyprint


@lru_cache
def template(name: str = "paper.html.j2") -> Any:
    """A document's template. All text is escaped, and characters that no document may hold are written out."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return visible(value, keep_lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value

    source = FunctionLoader(lambda name: files(TEMPLATES).joinpath(name).read_text("utf-8"))
    environment = Environment(loader=source, autoescape=True, undefined=StrictUndefined, finalize=finalize, trim_blocks=True)
    return environment.get_template(name)


class Remarks(logging.Handler):
    """Keeps which characters WeasyPrint found no glyph for; its other remarks, on CSS, are for its developers."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple) and record.args:
            character = str(record.args[0])
            self.missing.append(f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip())


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Silence on the terminal while a PDF is drawn; gives the list that missing characters are put into."""
    logger, handler = logging.getLogger("weasyprint"), Remarks()
    before = logger.level, logger.propagate, logger.handlers
    logger.setLevel(logging.WARNING)
    logger.propagate, logger.handlers = False, [handler]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield handler.missing
    finally:
        logger.setLevel(before[0])
        logger.propagate, logger.handlers = before[1:]


__all__ = ["pdf_problem", "render", "warm", "with_notes"]
