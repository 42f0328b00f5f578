"""The source checks over many files, for a pre-commit hook: nothing is imported or run, and each file is judged by itself."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from nnreport.checks.registry import Check, all_checks
from nnreport.checks.runner import run_checks
from nnreport.errors import UsageError
from nnreport.facts import Facts, Record, SourceClass, SourceFile, Target
from nnreport.finding import Finding
from nnreport.inspector.reading.source import classes_in, module_classes

LARGEST = 2_000_000
"""Bytes. A larger file was written by a program."""
NO_MODULES = ("Function", "Protocol", "ABC", "object", "Enum")
"""Last names of bases that make no module of a class, though it defines ``forward``: ``torch.autograd.Function`` above all."""


class Checked(Record):
    """What was found in one file."""

    path: str
    findings: list[Finding] = []
    """Its own, in the order of its lines."""
    columns: list[int] = []
    """Parallel to them: where the code starts on its line, from 1."""
    unread: str = ""
    """Why it could not be read, else the empty string."""


def source_checks() -> list[Check]:
    """Those that need the source alone."""
    return [check for check in all_checks() if set(check.needs) == {"source"}]


def check_files(paths: Iterable[Path], select: Collection[str] = (), ignore: Collection[str] = ()) -> Iterator[Checked]:
    """The findings of each file that has something to tell; ``select`` and ``ignore`` as in :func:`run_checks`."""
    checks = source_checks()
    for path in paths:
        name = path.as_posix()
        try:
            source = read_modules(path)
        except UsageError as error:
            yield Checked(path=name, unread=str(error))
            continue
        if source is None:
            continue
        facts = Facts(target=Target(spec=name), source=[source])
        findings, _ = run_checks(facts, select, ignore, checks)
        if findings:
            findings.sort(key=lambda finding: finding.location.line if finding.location else 0)
            lines = source.text.splitlines()
            yield Checked(path=name, findings=findings, columns=[column(finding, lines) for finding in findings])


def column(finding: Finding, lines: list[str]) -> int:
    """Where on its line the code of a finding starts, from 1."""
    where = finding.location
    line = lines[where.line - 1] if where and 0 < where.line <= len(lines) else ""
    return len(line) - len(line.lstrip()) + 1


def read_modules(path: Path) -> SourceFile | None:
    """A file with its torch modules; None where it has none.

    Raises:
        UsageError: it speaks of torch and cannot be read, or does not parse.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST else b""
        if (b"torch" not in data and b"lightning" not in data) or b"class " not in data or b"\0" in data:
            return None
        text = data.decode("utf-8-sig")
        tree = ast.parse(text)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}") from None
    except SyntaxError as error:
        raise UsageError(f"is not valid Python (line {error.lineno}: {error.msg})") from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read as Python source: {error}") from None
    if not imports_torch(tree):
        return None
    classes = dict(classes_in(tree))
    modules = {name for name in module_classes(tree) if may_be_module(classes[name])}
    if not modules:
        return None
    kept = [
        SourceClass(name=name, line=node.lineno, end=node.end_lineno or node.lineno, used=name in modules)
        for name, node in classes.items()
    ]
    return SourceFile(path=path.as_posix(), text=text, classes=kept, target=True)


def imports_torch(tree: ast.Module) -> bool:
    """Does the file import torch, or a package that is built on it?"""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any("torch" in name or "lightning" in name for name in names):
            return True
    return False


def may_be_module(node: ast.ClassDef) -> bool:
    """A class without a base, or with one that is known to be none, is no module, whatever methods it has."""
    bases = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
    return bool(bases) and not any(base in NO_MODULES for base in bases)
