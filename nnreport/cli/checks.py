"""``nnreport checks [SLUG|GROUP]``: the catalogue, a group of it, or the page of one check."""

from __future__ import annotations

from collections.abc import Sequence

import click

from nnreport.checks.registry import GROUPS, Check, all_checks
from nnreport.errors import UsageError


@click.command("checks", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("slug", required=False)
@click.option("--markdown", is_flag=True, help="All pages as one Markdown document.")
def command(slug: str | None, markdown: bool) -> None:
    """List the checks, those of one group, or show the page of one (nnreport checks dead-relu)."""
    checks = all_checks()
    if markdown:
        click.echo(document(checks))
        return
    if slug is None or slug in {check.group for check in checks}:
        width = max(len(check.slug) for check in checks)
        group = None
        for check in checks:
            if slug not in (None, check.group):
                continue
            if check.group != group:
                group = check.group
                click.echo(f"\n{GROUPS.get(group, group)} ({group})")
            click.echo(f"  {check.slug:<{width}}  {check.severity:<7}  {check.title}")
        return
    for check in checks:
        if check.slug == slug:
            click.echo(f"{check.slug}: {check.title}\n{check.severity} · {GROUPS.get(check.group, check.group)}\n\n{check.page}")
            return
    from difflib import get_close_matches

    names = [check.slug for check in checks] + list(GROUPS)
    near = get_close_matches(slug, names, 3, 0.5)
    raise UsageError(
        f"there is no check or group {slug!r}"
        + (f"; did you mean {', '.join(near)}?" if near else "; `nnreport checks` lists them")
    )


def document(checks: Sequence[Check]) -> str:
    """Every check's page, group by group, as Markdown."""
    lines = ["# Checks", "", f"{len(checks)} checks, made of their own pages by `nnreport checks --markdown`.", ""]
    group = None
    for check in checks:
        if check.group != group:
            group = check.group
            lines += [f"## {GROUPS.get(group, group)}", ""]
        page = check.page.replace("\n## ", "\n#### ")
        page = f"#### {page.removeprefix('## ')}" if page.startswith("## ") else page
        lines += [f"### {check.slug}", "", f"{check.title[:1].upper()}{check.title[1:]} ({check.severity}).", "", page, ""]
    return "\n".join(lines)
