"""``[tool.nnreport]`` of the nearest pyproject.toml: every option of the command line, by its long name."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from nnreport.errors import UsageError


def find_pyproject(start: Path) -> Path | None:
    """The pyproject.toml of this folder or the nearest one above it."""
    for folder in [start, *start.parents]:
        path = folder / "pyproject.toml"
        if path.is_file():
            return path
    return None


def read_config(command: click.Command, start: Path, strict: bool = True) -> dict[str, Any]:
    """Defaults for the command's options. Keys are the long option names, with dashes or underscores.

    Args:
        command: whose options they are.
        start: the folder from which the file is looked for, upwards.
        strict: every key must be one of the options (the main command has them all; other verbs take what they know).

    Raises:
        UsageError: the file cannot be read, or the table names an option that does not exist.
    """
    path = find_pyproject(start)
    if path is None or b"tool.nnreport" not in (content := path.read_bytes()):
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(content.decode()).get("tool", {}).get("nnreport", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name} is no valid TOML: {error}") from None
    options = {long_name(option): option for option in command.params if isinstance(option, click.Option)}
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        option = options.get(name)
        if option is None and not strict:
            continue
        if option is None:
            near = get_close_matches(name, options, 1)
            suggestion = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(options))}"
            raise UsageError(f"[tool.nnreport] in {path.name}: there is no option {key!r}{suggestion}")
        assert option.name is not None
        if option.multiple and isinstance(value, str):
            value = [value]
        defaults[option.name] = value
    return defaults


def long_name(option: click.Option) -> str:
    """``--fail-on`` → ``fail-on``; of ``--probe/--no-probe`` the first."""
    return max(option.opts, key=len).lstrip("-")
