"""The report inside a notebook: the ten-second view, and the whole page behind a fold.

A fragment, not a page: its styles are attributes (a notebook's own CSS stays as it is), it takes the notebook's colours and needs
no script of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from nnreport.finding import Finding
from nnreport.render import format
from nnreport.render.charts import sparkline
from nnreport.render.html import render as page
from nnreport.render.svg import SEVERITY, tag, text
from nnreport.render.view import key_numbers, verdict
from nnreport.report import Report

SHOWN = 8
"""Findings told; the page has all."""
PAGE_LIMIT = 2_000_000
"""Characters of a page that a notebook file should not carry twice."""
SMALL = "font-size:85%;opacity:.75"


def fragment(report: Report) -> str:
    """HTML of the ten-second view."""
    parts = [headline(report), numbers(report), *map(told, report.findings[:SHOWN])]
    if len(report.findings) > SHOWN:
        parts.append(tag("p", f"and {len(report.findings) - SHOWN} more", style=SMALL))
    for stage in report.failed_stages:
        parts.append(tag("p", text(f"stage {stage.name} {stage.state}: {stage.error}".rstrip(": ")), style=SMALL))
    parts.append(whole(report))
    return tag("section", "".join(parts), aria_label=f"Report of {report.model.name}", style="max-width:60em;line-height:1.45")


def listed(findings: Sequence[Finding]) -> str:
    """HTML of findings alone."""
    told_all = "".join(map(told, findings)) or tag("p", "nothing was found")
    return tag("section", told_all, aria_label="Findings", style="max-width:60em;line-height:1.45")


def headline(report: Report) -> str:
    """Name and verdict."""
    colour = SEVERITY.get(report.worst or "", "#1b6e3a")
    name = tag("strong", text(report.model.name or report.model.target or "model"), style="font-size:120%")
    sign = tag(
        "span", text(verdict(report)), style=f"background:{colour};color:#fff;border-radius:3px;padding:2px 8px;margin-left:.8em"
    )
    return tag("p", name + sign, style="margin:.4em 0")


def numbers(report: Report) -> str:
    """The five numbers and the loss as a curve."""
    boxes = []
    for number in key_numbers(report):
        lines = tag("div", text(number.label), style=SMALL) + tag("div", text(number.value), style="font-weight:600")
        boxes.append(tag("div", lines + tag("div", text(number.note), style=SMALL), style="margin-right:2em"))
    probe = report.facts.probe
    if probe and (curve := sparkline(probe.losses, "loss over the steps", width=140, height=36)):
        boxes.append(tag("div", curve))
    return tag("div", "".join(boxes), style="display:flex;flex-wrap:wrap;row-gap:.4em;margin:.4em 0")


def told(finding: Finding) -> str:
    """A finding: closed, its message; open, why and how to mend it."""
    colour = SEVERITY[finding.severity]
    badge = tag("b", finding.severity, style=f"background:{colour};color:#fff;border-radius:3px;padding:0 6px;font-size:85%")
    module = f" in {tag('code', text(finding.module))}" if finding.module else ""
    head = f"{badge} {tag('b', text(finding.check))}{module}: {text(finding.message)}"
    rows = [f"at {tag('code', text(format.place(finding.location)))}"] if finding.location else []
    rows += [text(finding.why)] if finding.why else []
    rows += [f"<b>Fix</b>: {text(finding.fix)}"] if finding.fix else []
    body = "".join(tag("p", row, style="margin:.2em 0 .2em 1.4em") for row in rows)
    if finding.code:
        body += tag("pre", text(finding.code), style="margin:.2em 0 .2em 1.4em")
    return tag("details", tag("summary", head, style="cursor:pointer") + body, style="margin:.25em 0")


def whole(report: Report) -> str:
    """The page, in a frame of its own; what is in it cannot reach the notebook."""
    html = page(report)
    if len(html) > PAGE_LIMIT:
        return tag("p", "The whole report is too large for a notebook: report.save(&quot;report.html&quot;)", style=SMALL)
    # An opaque origin: scripts of the page run, but see nothing of the notebook's.
    frame = tag(
        "iframe",
        " ",
        srcdoc=html,
        sandbox="allow-scripts allow-popups",
        loading="lazy",
        title=f"Whole report of {report.model.name}",
        style="width:100%;height:80vh;border:1px solid #8888",
    )
    return tag("details", tag("summary", "The whole report", style="cursor:pointer") + frame, style="margin:.6em 0")
