"""The report as Markdown for a pull request, a job summary or a file: what GitHub renders well, and never too much of it.

The first line is a hidden marker, so that one comment can be found again and edited; the whole stays under GitHub's limit for a
comment and is cut at the end of a section, with a line that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from nnreport.facts import Location
from nnreport.finding import Finding
from nnreport.render import format, gfm, watched
from nnreport.render.mermaid import overview
from nnreport.render.plain import shorten, sparkline
from nnreport.render.view import key_numbers, verdict
from nnreport.report import Report

LIMIT = 59_000
"""Characters; a GitHub comment holds 65,536, and a caller may add a line of its own."""
MESSAGE_LIMIT = 1_500
CODE_LIMIT = 3_000
FULL = 10
"""Findings told in full; the others are rows of a table."""
ROWS = 40
"""Rows of that table."""
MODULES, CONSEQUENCES = 12, 5
"""Of one finding."""
SLOWEST = 8
STATES = {"passed": "Passed", "not-applicable": "Did not apply", "ignored": "Left out", "failed": "Failed"}
"""Outcomes of checks that found nothing."""
SIGNS = {"error": "🛑", "warning": "⚠️", "note": "💡"}
"""Beside the word, never instead of it."""


def render(report: Report, base: str = "") -> str:
    """The Markdown.

    Args:
        report: what to tell.
        base: address that source links start with, e.g. ``https://github.com/owner/repo/blob/<commit>/``; empty: links are
            relative, as a file in the repository's root needs them.
    """
    marker = gfm.comment(f"nnreport {report.model.target or report.model.name}".strip())
    text, left = f"{marker}\n", list[str]()
    for name, section in sections(report, base):
        if len(text) + len(section) + 2 > LIMIT or left:
            left.append(name)
        else:
            text += f"{section}\n\n" if text.count("\n") > 1 else f"\n{section}\n\n"
    if left:
        names = format.joined(list(dict.fromkeys(left)))
        text += f"*Shortened to fit a comment. Left out: {names}. The HTML report has it all.*\n"
    return text.rstrip("\n") + "\n"


def sections(report: Report, base: str) -> Iterator[tuple[str, str]]:
    """Name and text of each part, the most important first."""
    yield "the verdict", head(report)
    if report.comparison:
        from nnreport.render.diff_markdown import section

        yield from section(report.comparison, base)
    for index, finding in enumerate(report.findings[:FULL]):
        yield "findings", finding_section(finding, base, report.comparison.state_of(index) if report.comparison else "")
    if rest := report.findings[FULL:]:
        yield "findings", rest_of_findings(rest, base)
    if failed := report.failed_stages:
        reasons = [gfm.text(shorten(stage.error, 300)) or "no reason given" for stage in failed]
        lines = [f"- {gfm.code(stage.name)} {stage.state}: {why}" for stage, why in zip(failed, reasons, strict=True)]
        yield "stages that failed", "### Not done\n\n" + "\n".join(lines)
    if loss := loss_section(report):
        yield "the loss", loss
    if drawing := overview(report.facts):
        yield "the diagram", "### Overview\n\n" + gfm.block(drawing, "mermaid")
    if slowest := time_section(report):
        yield "the slowest layers", slowest
    if checked := checks_section(report):
        yield "the list of checks", checked
    yield "the last line", foot(report)


def head(report: Report) -> str:
    """Title, verdict and key numbers."""
    name = report.title or report.model.name or report.model.target or "model"
    lines = [f"## {gfm.text(shorten(name, 120))}: {gfm.text(verdict(report))}", ""]
    numbers = key_numbers(report)
    if numbers:
        lines += [gfm.table([gfm.text(n.label) for n in numbers], [[f"**{gfm.text(n.value)}**" for n in numbers]]), ""]
    about = [gfm.code(shorten(report.model.target, 200))] if report.model.target else []
    if report.model.inputs:
        about.append(gfm.code(shorten(", ".join(report.model.inputs), 300)))
    if about:
        lines.append(" with ".join(about))
    return "\n".join(lines).rstrip()


def finding_section(finding: Finding, base: str, state: str = "") -> str:
    """One finding: what, where, why, how to mend it; ``state``: what became of it since a baseline."""
    mark = f"{state} " if state in ("new", "worse") else ""
    lines = [f"### {SIGNS[finding.severity]} {mark}{finding.severity}: {gfm.text(finding.check)}", ""]
    lines += [gfm.text(shorten(finding.message, MESSAGE_LIMIT)), ""]
    where = [gfm.code(format.elide(finding.module, 120))] if finding.module else []
    if finding.location:
        where += [source_link(finding.location, base), gfm.code(shorten(finding.location.text, 200))]
    names = [gfm.code(format.elide(format.module(path), 80)) for path in finding.modules[:MODULES]]
    more = f" and {len(finding.modules) - MODULES} more" if len(finding.modules) > MODULES else ""
    about = {
        "Where": " · ".join(filter(None, where)),
        "Modules": ", ".join(names) + more if len(names) > 1 else "",
        "Why it matters": gfm.text(shorten(finding.why, MESSAGE_LIMIT)),
        "Fix": gfm.text(shorten(finding.fix, MESSAGE_LIMIT)),
    }
    lines += [f"- **{label}**: {text}" for label, text in about.items() if text]
    if finding.consequences:
        lines.append("- **What follows from it**:")
        lines += [f"  - {gfm.text(shorten(line, 300))}" for line in finding.consequences[:CONSEQUENCES]]
        if len(finding.consequences) > CONSEQUENCES:
            lines.append(f"  - and {len(finding.consequences) - CONSEQUENCES} more")
    if finding.code:
        changed = any(line.startswith(("+", "-")) for line in finding.code.splitlines())
        lines += ["", gfm.block(shorten(finding.code, CODE_LIMIT), "diff" if changed else "python")]
    return "\n".join(lines)


def rest_of_findings(findings: list[Finding], base: str) -> str:
    """The less important ones, a row each, folded."""
    rows = [
        [
            f"{SIGNS[finding.severity]} {finding.severity}",
            gfm.text(finding.check),
            gfm.code(format.elide(finding.module or "", 60)),
            source_link(finding.location, base) if finding.location else "",
            gfm.text(shorten(finding.message, 200)),
        ]
        for finding in findings[:ROWS]
    ]
    more = f"\n\nand {len(findings) - ROWS} more" if len(findings) > ROWS else ""
    inner = gfm.table(["Severity", "Check", "Module", "Source", "Finding"], rows)
    return details(f"{format.plural(len(findings), 'more finding')}", inner + more)


def loss_section(report: Report) -> str:
    """The loss as a row of bars."""
    probe = report.facts.probe
    if probe is None or len(probe.losses) < 2:
        return ""
    ends = f"{format.number(probe.losses[0])} → {format.number(probe.losses[-1])}"
    how = [gfm.text(probe.loss.name)] if probe.loss and probe.loss.name else []
    if probe.optimizer and probe.optimizer.name:
        how.append(f"{gfm.text(probe.optimizer.name)}, learning rate {probe.optimizer.learning_rate:g}")
    data = "your data" if probe.data and probe.data.user else "one synthetic batch"
    if report.facts.run is not None:
        return run_section(report, ends, how)
    by = f" ({', '.join(how)})" if how else ""
    return f"### Training\n\n`{sparkline(probe.losses)}` loss {ends} in {format.plural(probe.done, 'step')} on {data}{by}"


def run_section(report: Report, ends: str, how: list[str]) -> str:
    """The watched script: what ran, its curve, its numbers."""
    run = report.facts.run
    assert run is not None
    curve = f"`{sparkline(run.losses.values)}` loss {ends}" + (f" ({', '.join(how)})" if how else "")
    pairs = [[gfm.text(name), gfm.text(value)] for name, value in watched.numbers(run)]
    return f"### Training\n\n{gfm.text(watched.words(report.facts))}\n\n{curve}\n\n{gfm.table(['', ''], pairs)}"


def time_section(report: Report) -> str:
    """Where the time of a step goes."""
    profile = report.facts.profile
    if profile is None or not profile.modules:
        return ""
    total = sum(cost.forward + cost.backward for cost in profile.modules) or 1.0
    slowest = sorted(profile.modules, key=lambda cost: -(cost.forward + cost.backward))[:SLOWEST]
    rows = [
        [
            gfm.code(format.elide(format.module(cost.module), 80)),
            format.percent((cost.forward + cost.backward) / total),
            format.seconds(cost.forward),
            format.seconds(cost.backward),
            format.flops(cost.flops),
        ]
        for cost in slowest
    ]
    inner = gfm.table(["Layer", "Share", "Forward", "Backward", "FLOPs"], rows, right=(1, 2, 3, 4))
    return details(f"Where the time goes: the slowest of {format.plural(len(profile.modules), 'module')}", inner)


def checks_section(report: Report) -> str:
    """What was looked at, so that silence can be told from not looking."""
    lines = []
    for state, words in STATES.items():
        slugs = [gfm.text(outcome.check) for outcome in report.outcomes if outcome.state == state]
        if slugs:
            lines.append(f"**{words}** ({len(slugs)}): {', '.join(slugs)}")
    if not lines:
        return ""
    return details(f"{format.plural(len(report.outcomes), 'check')} in all", "\n\n".join(lines))


def foot(report: Report) -> str:
    """How it was made."""
    environment = report.facts.environment
    parts = [f"nnreport {gfm.text(environment.nnreport)}".strip()]
    parts += [f"torch {gfm.text(environment.torch)}"] if environment.torch else []
    parts += [gfm.text(environment.device)] if environment.device else []
    parts += [gfm.code(shorten(environment.command, 300))] if environment.command else []
    return f"<sub>{' · '.join(parts)}</sub>"


def details(summary: str, inner: str) -> str:
    """A part that is closed at first."""
    return f"<details><summary>{summary}</summary>\n\n{inner}\n\n</details>"


def source_link(location: Location, base: str) -> str:
    """``model.py:14`` as a link for the user's own files; of an installed package as text."""
    label = gfm.code(format.elide(format.place(location), 120))
    if not location.user or location.path.startswith(("/", "<")):
        return label
    return gfm.link(label, f"{base}{quote(location.path, errors='replace')}" + (f"#L{location.line}" if location.line else ""))
