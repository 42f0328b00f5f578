"""The report as a PDF: tagged, with bookmarks, the JSON attached, and the same bytes for the same report.

WeasyPrint is imported here alone and only when a PDF is wanted: it takes 0.6 s, and raises where Pango is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
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
    weasyprint = load()
    html = template().render(content(report))
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    moment = moment_of(report) or LONG_AGO
    attachment = weasyprint.Attachment(
        string=dump(report).decode(),
        name="report.json",
        description="The whole report as data",
        created=moment,
        modified=moment,
        relationship="Data",
        url_fetcher=fetcher,
    )
    style = weasyprint.CSS(string=files(TEMPLATES).joinpath("paper.css").read_text("utf-8"), url_fetcher=fetcher)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher, base_url="data:,")
    options: dict[str, Any] = {"stylesheets": [style], "attachments": [attachment], "pdf_identifier": identifier(report)}
    with quiet():
        try:
            return bytes(document.write_pdf(pdf_variant="pdf/ua-1", **options))
        except (
            ValueError,
            KeyError,
            AttributeError,
            TypeError,
        ):  # some documents cannot be tagged; a PDF without tags is better than none
            return bytes(document.write_pdf(**options))


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
def template() -> Any:
    """The document's template. All text is escaped, and characters that no document may hold are written out."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return visible(value, keep_lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value

    source = FunctionLoader(lambda name: files(TEMPLATES).joinpath(name).read_text("utf-8"))
    environment = Environment(loader=source, autoescape=True, undefined=StrictUndefined, finalize=finalize, trim_blocks=True)
    return environment.get_template("paper.html.j2")


def identifier(report: Report) -> bytes:
    """The PDF's identifier, from what is in it."""
    return hashlib.sha256(dump(report)).digest()[:16]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """WeasyPrint's remarks on CSS are for its developers."""
    logger = logging.getLogger("weasyprint")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


__all__ = ["pdf_problem", "render", "warm"]
