"""Finds the checks: every module of every group folder, and what plugins offer through the entry point ``nnreport.checks``.

A check is a module with

* a docstring, its documentation page (Markdown; first line ``slug: title``; then the sections of :data:`HEADINGS`);
* ``SEVERITY``: the severity it has by default;
* ``NEEDS``: names of the parts of :class:`~nnreport.facts.Facts` without which it does not apply (``("graph", "probe")``);
* ``check(facts)``: a pure generator of :class:`~nnreport.finding.Finding`; it may raise
  :class:`~nnreport.finding.NotApplicable`.

The file's name is the slug with underscores; the folder's name is the group.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import msgspec

from nnreport import checks as package
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

HEADINGS = ("Looks for", "Why it matters", "How to mend it", "Quiet when", "Known limits", "Sources")
"""Sections that every check's page has, in this order, as ``## Looks for``."""

GROUPS = {
    "structure": "Structure",
    "initialisation": "Initialisation and signal flow",
    "activations": "Activations",
    "gradients": "Gradients and updates",
    "loss": "Loss, labels, optimisation",
    "normalisation": "Normalisation, regularisation",
    "numerics": "Numerics",
    "trained": "Trained weights",
    "speed": "Speed and memory",
    "source": "Source",
    "script": "A training script",
}
"""Folder -> title, in the order of the catalogue."""


class Check(msgspec.Struct, frozen=True):
    """One check as it was found."""

    slug: str
    group: str
    title: str
    severity: Severity
    needs: tuple[str, ...]
    page: str
    """The documentation, Markdown, without its first line."""
    function: Callable[[Facts], Iterable[Finding]]

    def section(self, heading: str) -> str:
        """The text under ``## heading`` of the page, or the empty string."""
        _, found, rest = self.page.partition(f"## {heading}\n")
        return rest.partition("\n## ")[0].strip() if found else ""


def from_module(module: ModuleType, group: str) -> Check:
    """The check that a module defines.

    Raises:
        ValueError: the module lacks a part of what a check is; the message says which.
    """
    slug = module.__name__.rpartition(".")[2].replace("_", "-")
    first, _, page = (module.__doc__ or "").strip().partition("\n")
    name, colon, title = first.partition(":")
    if not colon or name.strip() != slug:
        raise ValueError(f"the first line of the check {module.__name__} is not “{slug}: title”")
    for part in ("SEVERITY", "NEEDS", "check"):
        if not hasattr(module, part):
            raise ValueError(f"the check {slug} ({module.__name__}) defines no {part}")
    return Check(slug, group, title.strip(), module.SEVERITY, tuple(module.NEEDS), page.strip(), module.check)


@lru_cache
def all_checks() -> tuple[Check, ...]:
    """All checks, ours in the order of the groups and then by slug, then the plugins'."""
    found = []
    for group in GROUPS:
        try:
            folder = importlib.import_module(f"{package.__name__}.{group}")
        except ModuleNotFoundError:
            continue
        for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
            if not info.name.startswith("_"):
                found.append(from_module(importlib.import_module(f"{folder.__name__}.{info.name}"), group))
    for entry in entry_points(group="nnreport.checks"):
        try:
            module = entry.load()
            found.append(from_module(module, getattr(module, "GROUP", entry.name)))
        except Exception as error:  # a broken plugin must not cost the report, nor the other checks
            found.append(broken(entry, error))
    return tuple(found)


def broken(entry: EntryPoint, error: Exception) -> Check:
    """Stands for a plugin that cannot be used, and says so when it is run."""
    reason = f"the plugin {entry.name} ({entry.value}) cannot be used: {type(error).__name__}: {error}"

    def check(facts: Facts) -> Iterable[Finding]:
        raise RuntimeError(reason)

    return Check(entry.name, entry.name, "a plugin that cannot be used", "note", (), reason, check)


def find(slug: str) -> Check | None:
    """The check of that slug."""
    return next((check for check in all_checks() if check.slug == slug), None)
