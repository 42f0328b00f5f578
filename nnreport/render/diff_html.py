"""A comparison as one HTML page, in the look and under the policy of a report's."""

from __future__ import annotations

from nnreport.compare.records import Comparison
from nnreport.render.diff_page import page
from nnreport.render.html import HEAD_SCRIPT, asset, embedded, environment, policy
from nnreport.render.svg import CONTROL

NO_MODEL: dict[str, object] = {
    "path": [],
    "cls": [],
    "leaf": [],
    "place": [],
    "findings": [],
    "shows": [],
    "levels": [],
    "marks": {},
}
"""What the report's script reads of a model; this page has none."""


def render(comparison: Comparison) -> str:
    """The page. The same comparison gives the same bytes."""
    style, script = asset("report.css"), asset("report.js")
    values = page(comparison) | {
        "style": style,
        "script": script,
        "head_script": HEAD_SCRIPT,
        "policy": policy([style], [HEAD_SCRIPT, script]),
        "data_json": embedded(NO_MODEL),
    }
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", environment().get_template("diff.html.j2").render(values))
