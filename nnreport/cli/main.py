"""The command ``nnreport``: which verb is meant, and how it ends.

The main verb has no name: ``nnreport TARGET`` makes a report. A verb is imported when it is used, so that the others cost
nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

import click

from nnreport.errors import UsageError

VERBS = {
    "checks": "list the checks, or show the page of one",
    "diff": "say what changed between two saved JSON reports",
    "render": "draw a saved JSON report again, in any format",
    "source": "check the source of many files, for pre-commit",
    "run": "run a training script, watch it, and report on it",
    "debug": "train a model, and stop in the debugger where it goes wrong",
}
"""Verb -> one line for the help."""

FAULT = 3
"""Exit status for a fault of nnreport itself."""


def command(name: str) -> click.Command:
    """The click command of a verb (``report`` is the nameless one)."""
    module = importlib.import_module(f"nnreport.cli.{name}")
    found: click.Command = module.command
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exits with the status that the command line promises."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = arguments[0] if arguments and arguments[0] in VERBS else "report"
    if verb != "report":
        arguments = arguments[1:]
    if verb == "report" and arguments and (meant := verb_like(arguments[0])):
        sys.exit(fail(f"there is no verb {arguments[0]!r}; did you mean {meant!r}?", hint=True))
    try:
        if verb == "report":
            readable(arguments)
        status = command(verb).main(
            arguments, prog_name=f"nnreport {verb}" if verb != "report" else "nnreport", standalone_mode=False
        )
    except click.exceptions.Abort:
        status = 130
    except click.ClickException as error:
        status = fail(error.format_message(), hint=isinstance(error, click.UsageError))
    except UsageError as error:
        status = fail(str(error))
    except BrokenPipeError:  # `nnreport … -o - | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        if os.environ.get("NNREPORT_DEBUG"):
            raise
        print(
            f"nnreport: a fault of nnreport itself: {type(error).__name__}: {error}\n"
            "Please report it; NNREPORT_DEBUG=1 shows where it happened.",
            file=sys.stderr,
        )
        status = FAULT
    sys.exit(status or 0)


def readable(arguments: Sequence[str]) -> None:
    """Raises UsageError for an argument that is no text: bytes that the locale cannot read do not go through JSON."""
    for each in arguments:
        if not each.isascii() and each.encode("utf-8", "replace").decode() != each:
            shown = each.encode("ascii", "backslashreplace").decode()
            raise UsageError(f"{shown} is no text in this locale: set PYTHONUTF8=1, or rename it if its name is not UTF-8")


def verb_like(word: str) -> str | None:
    """The verb that a bare word was meant to be; a target has a suffix or a colon, so no target is taken for one."""
    near = get_close_matches(word, VERBS, 1, 0.7) if word.isalpha() else []
    return near[0] if near else None


def fail(message: str, hint: bool = False) -> int:
    """Prints the one line of a wrong usage; 2."""
    print(f"nnreport: {message}", file=sys.stderr)
    if hint:
        print("Try 'nnreport --help'.", file=sys.stderr)
    return 2
