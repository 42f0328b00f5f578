"""Text without markup: what the terminal and the Markdown share."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from nnreport.facts import Number

BARS = "▁▂▃▄▅▆▇█"
NO_VALUE = "×"
"""Stands in a sparkline where the value is NaN or infinite."""

FLAT = 0.05
"""Share of the largest value under which a change is none to the eye."""
UNSAFE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, lone surrogates (which cannot be written), line and paragraph separators."""
BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Overrides and isolates, which make text read other than it is."""


def sparkline(values: Sequence[Number], width: int = 40) -> str:
    """A curve as a row of bars; longer series are averaged down to ``width``, non-finite values are ``×``.

    The scale is logarithmic where all values are positive and span more than two decades, so that a loss that explodes does not
    flatten everything before it; one that hardly moves (:data:`FLAT`) is flat.
    """
    numbers = [float(value) for value in values]
    if len(numbers) > width:
        edges = [round(i * len(numbers) / width) for i in range(width + 1)]
        numbers = [sum(numbers[a:b]) / (b - a) for a, b in pairwise(edges)]
    finite = [value for value in numbers if math.isfinite(value)]
    if not finite:
        return NO_VALUE * len(numbers)
    if min(finite) > 0 and max(finite) / min(finite) > 100:
        numbers = [math.log(value) if math.isfinite(value) else value for value in numbers]
        finite = [value for value in numbers if math.isfinite(value)]
    low, span = min(finite), max(max(finite) - min(finite), FLAT * max(map(abs, finite)))

    def bar(value: float) -> str:
        if not math.isfinite(value):
            return NO_VALUE
        return BARS[min(7, int((value - low) / span * 8))] if span else BARS[0]

    return "".join(map(bar, numbers))


def visible(text: str, keep_lines: bool = False) -> str:
    """The text with characters that would act on a terminal or reorder a line written out: ``\\x1b``, ``\\u202e``.

    Line breaks and tabs become spaces, unless ``keep_lines``.
    """

    def shown(character: str) -> str:
        if character in "\n\t":
            return character if keep_lines else " "
        unsafe = unicodedata.category(character) in UNSAFE or character in BIDIRECTIONAL
        return character.encode("unicode_escape").decode() if unsafe else character

    if text.isascii() and text.isprintable():
        return text
    return "".join(map(shown, text.replace("\r\n", "\n")))


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, the end cut off with ``…``."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def underline(line: str, module: str | None, operation: str = "") -> tuple[int, int]:
    """Start and length of the part of a source line that a finding is about.

    The call of the operation (``F.softmax(…)``), else of the module's attribute (``self.fc1(…)``), up to its closing parenthesis;
    the whole line where neither stands in it.
    """
    attribute = (module or "").rpartition(".")[2]
    patterns = [rf"[\w.]*\b{re.escape(operation)}\b"] if operation else []
    patterns += [rf"self\.{re.escape(attribute)}\b"] if attribute else []
    for pattern in patterns:
        if match := re.search(pattern, line):
            end = match.end()
            if line[end : end + 1] == "(":
                end = closing(line, end) + 1
            return match.start(), end - match.start()
    return 0, len(line)


def closing(line: str, start: int) -> int:
    """Index of the parenthesis that closes the one at ``start``; the last character where the call goes on on the next line."""
    depth = 0
    for index in range(start, len(line)):
        depth += (line[index] in "([{") - (line[index] in ")]}")
        if depth == 0:
            return index
    return len(line) - 1
