"""A check's page as HTML: the little Markdown that docstrings use, and nothing that could become markup by accident."""

from __future__ import annotations

import re
from html import escape

CODE = re.compile(r"``([^`]+)``|`([^`]+)`")
STRONG = re.compile(r"\*\*([^*\n]+)\*\*")
LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^\s)&\"<>]+)\)|(?<![\"(\w])(https?://[^\s)&\"<>]*[^\s)&\"<>.,;:])")
ITEM = re.compile(r"\s*[-*] +")
TABLE_RULE = re.compile(r"\|?[\s:|-]+\|?")


def prose(markdown: str, heading: int = 4) -> str:
    """Headings, paragraphs, lists, tables, fenced code, `code`, **strong**, links to http(s); everything else is text.

    Args:
        markdown: the page.
        heading: the level that ``##`` becomes.
    """
    lines = markdown.expandtabs(4).split("\n")
    out, at = [], 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.lstrip().startswith("```"):
            at, block = _until(lines, at + 1, lambda each: each.lstrip().startswith("```"))
            out.append(f"<pre><code>{escape(chr(10).join(block))}</code></pre>")
            at += 1
        elif line.startswith("#"):
            words = line.lstrip("#").strip()
            out.append(f"<h{heading}>{inline(words)}</h{heading}>")
            at += 1
        elif ITEM.match(line):
            at, block = _until(lines, at, lambda each: not each.strip() or each.startswith("#"))
            items: list[str] = []
            for each in block:
                if ITEM.match(each):
                    items.append(ITEM.sub("", each, count=1))
                else:
                    items[-1] += " " + each.strip()
            out.append("<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>")
        elif line.startswith("    "):
            at, block = _until(lines, at, lambda each: bool(each.strip()) and not each.startswith("    "))
            code = "\n".join(each[4:] for each in block).rstrip()
            out.append(f"<pre><code>{escape(code)}</code></pre>")
        elif line.startswith("|"):
            at, block = _until(lines, at, lambda each: not each.startswith("|"))
            out.append(_table(block))
        else:
            stop = lambda each: not each.strip() or each.startswith(("#", "```")) or bool(ITEM.match(each))  # noqa: E731
            at, block = _until(lines, at, stop)
            out.append(f"<p>{inline(' '.join(each.strip() for each in block))}</p>")
    return "\n".join(out)


def _until(lines: list[str], at: int, stop) -> tuple[int, list[str]]:  # type: ignore[no-untyped-def]
    start = at
    at += 1 if at < len(lines) and not stop(lines[at]) else 0
    while at < len(lines) and not stop(lines[at]):
        at += 1
    return max(at, start), lines[start:at]


def _table(rows: list[str]) -> str:
    cells = [
        [inline(cell.strip()) for cell in row.strip().strip("|").split("|")] for row in rows if not TABLE_RULE.fullmatch(row)
    ]
    if not cells:
        return ""
    head = "".join(f"<th>{cell}</th>" for cell in cells[0])
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def coded(text: str) -> str:
    """Plain text in which only `code` is marked up: a finding's own sentences, which quote names of the user's."""
    parts = CODE.split(text)  # text, ``code``, `code`, text, …
    marked = []
    for i, part in enumerate(parts):
        if part:
            marked.append(escape(part) if i % 3 == 0 else f"<code>{escape(part)}</code>")
    return "".join(marked)


def inline(text: str) -> str:
    """Code, strong and links within a line; the code is taken out first, so that nothing in it is read as markup."""
    codes: list[str] = []

    def take(match: re.Match[str]) -> str:
        codes.append(f"<code>{escape(match[1] or match[2])}</code>")
        return f"\x00{len(codes) - 1}\x00"

    text = escape(CODE.sub(take, text.replace("\x00", "")))
    text = STRONG.sub(r"<strong>\1</strong>", text)
    text = LINK.sub(lambda m: f'<a href="{m[2] or m[3]}" rel="noreferrer">{m[1] or m[3]}</a>', text)
    return re.sub("\x00(\\d+)\x00", lambda m: codes[int(m[1])], text)
