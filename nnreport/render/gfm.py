"""GitHub-flavoured Markdown from text that a model's author controls: nothing in it becomes markup, a mention or a reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nnreport.render.plain import visible

SPECIAL = re.compile(r"([\\`*\[\]|~$])")
UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Inside a word an underscore is no emphasis."""
MENTION = re.compile(r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|!(?=\[)")
ENTITY = re.compile(r"&(?=#?\w+;)")


def text(value: str) -> str:
    """Prose on one line. GitHub finds mentions and references after Markdown is done, so a backslash does not stop them; a
    zero-width space does."""
    value = ENTITY.sub("&amp;", visible(" ".join(value.split())))
    value = UNDERSCORE.sub(r"\\_", SPECIAL.sub(r"\\\1", value))
    value = value.replace("<", "&lt;").replace(">", "&gt;")
    return MENTION.sub(lambda match: f"{match[0]}&#8203;", value)


def code(value: str) -> str:
    """A code span, fit for a table cell too; empty text gives the empty string."""
    value = visible(" ".join(value.split()))
    if not value:
        return ""
    longest = max(map(len, re.findall("`+", value)), default=0)
    fence, pad = "`" * (longest + 1), " " if "`" in value else ""
    # In a table a pipe ends the cell even inside code; outside of one the backslash would show, so the pipe gives way there too.
    return f"{fence}{pad}{value.replace('|', '¦')}{pad}{fence}"


def block(value: str, language: str = "") -> str:
    """A fenced block that nothing in the text can close."""
    value = visible(value, keep_lines=True).strip("\n")
    longest = max(map(len, re.findall("`{3,}", value)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{value}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are Markdown already; ``right`` are the columns of numbers."""
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def link(label: str, url: str) -> str:
    """A link; spaces and brackets in the address are encoded by the caller."""
    return f"[{label}]({url})"


def comment(value: str) -> str:
    """A line that no reader sees; a comment cannot be ended from within."""
    return f"<!-- {re.sub('-{2,}|[<>]', '', visible(value))} -->"
