"""The little SVG that our pictures need: escaped, short, with literal presentation attributes.

WeasyPrint ignores a page's CSS, ``var()`` and ``currentColor`` inside SVG, so every mark carries its light-mode colour as an
attribute; the classes beside it let the page's CSS override it for the dark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
INK, MUTED, RULE, FAINT = "#1b1f24", "#595959", "#d5d8dc", "#eceef1"
ERROR, WARNING, NOTE, OK = "#b00020", "#8a5a00", "#0b57d0", "#1b6e3a"
SEVERITY = {"error": ERROR, "warning": WARNING, "note": NOTE}
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What neither XML nor HTML may hold."""


def text(value: object) -> str:
    """Text as SVG and HTML may hold it, in content and in quoted attributes."""
    return escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True)


def num(value: float) -> str:
    """A coordinate with one decimal, as short as it gets."""
    short = f"{value:.1f}"
    short = short[:-2] if short.endswith(".0") else short
    return "0" if short == "-0" else short


def attributes(pairs: Mapping[str, object]) -> str:
    """`` name="value"`` pairs; ``class_`` is ``class``, other underscores are hyphens; None is left out."""
    return "".join(
        f' {"class" if name == "class_" else name.replace("_", "-")}="{num(value) if isinstance(value, float) else text(value)}"'
        for name, value in pairs.items()
        if value is not None
    )


def tag(name: str, content: str = "", **pairs: object) -> str:
    """One element; ``content`` is markup already."""
    return f"<{name}{attributes(pairs)}>{content}</{name}>" if content else f"<{name}{attributes(pairs)}/>"


def title(value: object) -> str:
    """The tooltip of the element that it stands in."""
    return f"<title>{text(value)}</title>"


def label(
    x: float, y: float, value: object, *, anchor: str = "start", size: float = 11, fill: str = MUTED, **pairs: object
) -> str:
    """A line of text; ``y`` is its baseline."""
    pairs.setdefault("class_", "ct" if fill == MUTED else "ci" if fill == INK else None)
    end = None if anchor == "start" else anchor
    return tag("text", text(value), x=float(x), y=float(y), text_anchor=end, font_size=float(size), fill=fill, **pairs)


def picture(width: float, height: float, name: str, content: str, **pairs: object) -> str:
    """A whole ``<svg>`` whose alternative text is ``name``; the class ``mini`` is one without any text."""
    pairs.setdefault("role", "img")
    font = "" if pairs.get("class_") == "mini" else f' font-family="{text(FONT)}"'
    head = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {num(width)} {num(height)}",
        "width": num(width),
        "height": num(height),
    }
    return f'<svg{attributes(head)}{font} aria-label="{text(name)}"{attributes(pairs)}>{content}</svg>'
