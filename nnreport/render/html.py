"""The report as one HTML page: no network, a strict content security policy, readable without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nnreport.render import format
from nnreport.render.svg import CONTROL
from nnreport.report import Report

if TYPE_CHECKING:
    import jinja2

HEAD_SCRIPT = "document.documentElement.classList.add('js')"
"""Runs before the page is drawn, so that nothing jumps when the script takes over."""


def render(report: Report) -> str:
    """The page of a report. The same report gives the same bytes.

    The model's own names and messages go through Jinja's autoescape, :func:`~nnreport.render.svg.text` or :func:`embedded`.
    """
    from nnreport.render.page import page

    values = page(report)
    style, script = asset("report.css"), asset("report.js")
    values |= {
        "style": style,
        "script": script,
        "head_script": HEAD_SCRIPT,
        "policy": policy([style], [HEAD_SCRIPT, script]),
        "data_json": embedded(values["data"]),
    }
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", environment().get_template("report.html.j2").render(values))


def warm() -> None:
    """Import and compile what :func:`render` needs; a caller that waits for the inspector has the time."""
    from nnreport.checks.registry import all_checks
    from nnreport.render.layout import Box, arrange

    all_checks()
    arrange([Box(40, 20)], [])
    render(Report())


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """Jinja with autoescape, our templates and our ways of writing numbers as filters."""
    import jinja2
    from markupsafe import Markup

    from nnreport.render.prose import coded, prose

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("number", "count", "short", "size", "flops", "seconds", "percent", "shape", "place", "plural", "module"):
        made.filters[name] = getattr(format, name)
    # prose(), the charts and the diagram escape all that they are given
    made.filters["prose"] = lambda text: Markup(prose(text))
    made.filters["coded"] = lambda text: Markup(coded(text))
    made.filters["svg"] = lambda text: Markup(text.replace(' xmlns="http://www.w3.org/2000/svg"', ""))  # HTML needs none
    return made


def _read(name: str) -> str:
    return files("nnreport.templates").joinpath(name).read_text("utf-8")


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """A style sheet or script without its comments and indentation."""
    text = re.sub(r"/\*.*?\*/", "", _read(name), flags=re.S)
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("// "))


def policy(styles: list[str], scripts: list[str]) -> str:
    """A content security policy that allows these very texts and nothing else: no request can leave the page."""

    def digests(texts: list[str]) -> str:
        return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)

    allowed = f"style-src {digests(styles)}; script-src {digests(scripts)}; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def embedded(data: Any) -> str:
    """JSON as it may stand in a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode("utf-8", "replace").decode()
