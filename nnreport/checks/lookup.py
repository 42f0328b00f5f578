"""Finding modules, parameters and lines by name, once per report."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nnreport.facts import Call, Facts, Graph, Location, Module, Node, Parameter, Tree


class Lookup:
    """Dictionaries over the tree and the graph of one :class:`~nnreport.facts.Facts`."""

    def __init__(self, facts: Facts) -> None:
        tree, graph = facts.tree or Tree(), facts.graph or Graph()
        self.source = facts.source
        self.modules: dict[str, Module] = {module.path: module for module in tree.modules}
        for module in tree.modules:
            for alias in module.aliases:
                self.modules.setdefault(alias, module)
        self.parameters: dict[str, Parameter] = {}
        for parameter in tree.parameters:
            for name in (parameter.name, *parameter.tied):
                self.parameters[name] = parameter
        self.calls: dict[int, Call] = {call.id: call for call in graph.calls}
        self.calls_of: dict[str, list[Call]] = {}
        for call in graph.calls:
            self.calls_of.setdefault(call.module, []).append(call)

    def module(self, path: str) -> Module | None:
        """The module at a path or alias."""
        return self.modules.get(path)

    def kind(self, path: str) -> str:
        """The torch.nn class behind the module at a path (``Conv2d``), or the empty string."""
        module = self.modules.get(path)
        return module.kind if module else ""

    def settings(self, path: str) -> dict:
        """Its hyperparameters."""
        module = self.modules.get(path)
        return module.settings if module else {}

    def label(self, path: str) -> str:
        """How a message names it: ``fc1 (Linear)``; the root by its class."""
        module = self.modules.get(path)
        name = module.name if module else ""
        if not path:
            return f"the model ({name})" if name else "the model"
        return f"{path} ({name})" if name else path

    def ancestors(self, path: str) -> Iterable[str]:
        """Paths of its parents, nearest first, the root last."""
        while path:
            path = path.rpartition(".")[0]
            yield path

    def call_line(self, path: str) -> Location | None:
        """The user's line that called a module; for one called by library code, that of the nearest parent with one; else the
        line of its class."""
        for each in (path, *self.ancestors(path)):
            for call in self.calls_of.get(each, ()):
                if call.location is not None and call.location.user:
                    return call.location
        module = self.modules.get(path)
        return module.location if module else None

    def class_line(self, path: str) -> Location | None:
        """The user's nearest class: where the module's own class is defined, else a parent's that the user wrote."""
        for each in (path, *self.ancestors(path)):
            module = self.modules.get(each)
            if module is not None and module.location is not None and module.location.user:
                return module.location
        module = self.modules.get(path)
        return module.location if module else None

    def made_line(self, owner: str, path: str) -> Location | None:
        """The only line of the owner's class that assigns the module (``self.fc = …``); else the class's own line."""
        place = self.class_line(owner)
        holder = self.modules.get(owner)
        if place is None or holder is None or holder.location != place:
            return place
        attribute = path.removeprefix(f"{owner}." if owner else "").partition(".")[0]
        assigned = re.compile(rf"\bself\.{re.escape(attribute)}\s*(:[^=]+)?=(?!=)")
        for file in self.source:
            for each in file.classes:
                if file.path == place.path and each.line == place.line:
                    lines = file.text.splitlines()[each.line - 1 : each.end]
                    found = [number for number, line in enumerate(lines, each.line) if assigned.search(line)]
                    if len(found) == 1:
                        return Location(place.path, found[0], place.user, each.name, lines[found[0] - each.line].strip())
        return place

    def node_line(self, node: Node) -> Location | None:
        """The user's line of an operation, else of the call it ran in."""
        return node.location or self.call_line(node.module)

    def settled(self, path: str) -> bool:
        """Is the code that wires this module somebody else's: an installed package's class other than torch.nn's own?"""
        module = self.modules.get(path)
        return bool(module and module.location and not module.location.user and not module.cls.startswith("torch.nn."))


_last: tuple[Facts, Lookup] | None = None


def lookup(facts: Facts) -> Lookup:
    """The dictionaries of these facts; the last ones made are kept."""
    global _last
    if _last is None or _last[0] is not facts:
        _last = (facts, Lookup(facts))
    return _last[1]


def spread_names(names: list[str], limit: int = 4) -> str:
    """``a, b, c and 12 more``."""
    if len(names) <= limit:
        return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else ""
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"
