"""What ``--break-on`` may name: ``nan``, ``explode``, ``dead``, ``error``, ``forward:PATH``, ``backward:PATH``, ``finding:SLUG``,
``step:N``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from nnreport.errors import UsageError

Kind = Literal["nan", "explode", "dead", "error", "forward", "backward", "finding", "step"]
PLAIN = ("nan", "explode", "dead", "error")
"""Those that take no argument."""
ARGUMENTS = {"forward": "a module's path", "backward": "a module's path", "finding": "the slug of a check", "step": "a number"}
SPELLINGS = "nan, explode, dead, error, forward:PATH, backward:PATH, finding:SLUG or step:N"
ROOT = "."
"""How the model itself is written as a path."""


class BreakSpec(NamedTuple):
    """One breakpoint as it was asked for."""

    text: str
    kind: Kind
    argument: str = ""

    @property
    def step(self) -> int:
        """N of ``step:N``."""
        return int(self.argument)

    def matches(self, path: str) -> bool:
        """Is this dotted path meant? A glob's ``*`` goes over dots, too."""
        return fnmatchcase(path or ROOT, self.argument)

    def unmatched(self, paths: Iterable[str]) -> str:
        """One line where no module is meant, with the nearest there is; ``""`` where one is."""
        known = [path or ROOT for path in paths]
        if any(map(self.matches, known)):
            return ""
        near = get_close_matches(self.argument, known, 1, 0.5)
        hint = f"did you mean {self.kind}:{near[0]}?" if near else f"there are {', '.join(known[:6])}{' …' if known[6:] else ''}"
        return f"--break-on {self.text}: the model has no module {self.argument!r}; {hint}"


def parse_break(text: str, slugs: Collection[str] | None = None) -> BreakSpec:
    """One ``--break-on``.

    Args:
        text: as it was written.
        slugs: of the checks that there are; None: not looked at.

    Raises:
        UsageError: it is none of those that there are; the nearest is named.
    """
    word, colon, argument = text.strip().partition(":")
    argument = argument.strip()
    if word in PLAIN:
        if colon:
            raise UsageError(f"--break-on {text}: {word} takes nothing after it")
        return BreakSpec(text, word)  # type: ignore[arg-type]
    if word not in ARGUMENTS:
        near = get_close_matches(word, [*PLAIN, *ARGUMENTS], 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--break-on {text}: that is none of {SPELLINGS}{hint}")
    if not argument:
        raise UsageError(f"--break-on {text}: say which, as in {word}:{'100' if word == 'step' else '…'} ({ARGUMENTS[word]})")
    if word == "step" and not (argument.isdecimal() and int(argument) > 0):
        raise UsageError(f"--break-on {text}: a step is a whole number from 1 on, as in step:100")
    if word == "finding" and slugs is not None and argument not in slugs:
        near = get_close_matches(argument, slugs, 1, 0.5)
        raise UsageError(
            f"--break-on {text}: there is no check {argument!r}; "
            + (f"did you mean finding:{near[0]}?" if near else "`nnreport checks` lists them")
        )
    return BreakSpec(text, word, argument)  # type: ignore[arg-type]


def parse_breaks(texts: Iterable[str], slugs: Collection[str] | None = None) -> list[BreakSpec]:
    """All of them, each once; one option may name several, with commas between."""
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return [parse_break(part, slugs) for part in dict.fromkeys(parts)]
