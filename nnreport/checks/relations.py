"""How the modules of two findings lie to each other: the same, one before the other in the recorded forward, cut off by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nnreport.checks.walk import walk
from nnreport.facts import Facts
from nnreport.finding import Finding


def concerned(finding: Finding) -> list[str]:
    """All modules of a finding; empty where it is about the whole net or about none."""
    modules = list(finding.modules) or ([finding.module] if finding.module is not None else [])
    return [] if modules == [""] else modules


def within(path: str, parent: str) -> bool:
    """``path`` is ``parent``, or lies below it."""
    return not parent or path == parent or path.startswith(parent + ".")


def overlap(a: Iterable[str], b: Iterable[str]) -> bool:
    """Some module of one is, contains, or lies in one of the other."""
    others = list(b)
    return any(within(x, y) or within(y, x) for x in a for y in others)


class Relations:
    """Answers about the findings of one report; the graph is walked only when a question needs it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._near: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}

    def anywhere(self, cause: Finding, effect: Finding) -> bool:
        """Always: the cause concerns the whole net."""
        return True

    def same(self, cause: Finding, effect: Finding) -> bool:
        """They share a module, or one of them names none."""
        ours, theirs = concerned(cause), concerned(effect)
        return not ours or not theirs or overlap(ours, theirs)

    def inside(self, cause: Finding, effect: Finding) -> bool:
        """All modules of the effect are among the cause's, or below them."""
        ours, theirs = concerned(cause), concerned(effect)
        return bool(theirs) and all(any(within(x, y) for y in ours) for x in theirs)

    def connected(self, cause: Finding, effect: Finding) -> bool:
        """The signal runs from one to the other, or they share a module."""
        return self.same(cause, effect) or self._reaches(cause, effect, 0) or self._reaches(cause, effect, 1)

    def before(self, cause: Finding, effect: Finding) -> bool:
        """The signal runs from the effect's modules to the cause's: what a cause takes the gradient from."""
        return self.same(cause, effect) or self._reaches(cause, effect, 0)

    def after(self, cause: Finding, effect: Finding) -> bool:
        """The signal runs from the cause's modules to the effect's."""
        return self.same(cause, effect) or self._reaches(cause, effect, 1)

    def cut_off(self, cause: Finding, effect: Finding) -> bool:
        """The effect's modules own parameters that a cut takes the gradient from."""
        reach = self.facts.reach
        cut = {name.rpartition(".")[0] for names in reach.cut_parameters.values() for name in names} if reach else set()
        theirs = concerned(effect)
        return bool(theirs) and all(path in cut for path in theirs)

    def same_line(self, cause: Finding, effect: Finding) -> bool:
        """They point at one line, or share a module where a line is missing."""
        a, b = cause.location, effect.location
        if a is not None and b is not None and a.path == b.path:
            return a.line == b.line or self.inside(effect, cause)
        return self.inside(cause, effect) or self.inside(effect, cause)

    def _reaches(self, cause: Finding, effect: Finding, direction: int) -> bool:
        near = self._neighbourhood(concerned(cause))[direction]
        return any(within(x, y) for x in near for y in concerned(effect))

    def _neighbourhood(self, modules: list[str]) -> tuple[list[str], list[str]]:
        """(modules upstream, modules downstream) of some modules in the recorded graph."""
        key = tuple(modules)
        if key not in self._near:
            self._near[key] = self._look(modules)
        return self._near[key]

    def _look(self, modules: list[str]) -> tuple[list[str], list[str]]:
        if self.facts.graph is None or not modules:
            return [], []
        graph = walk(self.facts.graph)
        start = [
            node.id for node in graph.graph.nodes if node.kind == "op" and any(within(node.module, path) for path in modules)
        ]

        def closure(step: Callable[[int], Iterable[int]]) -> list[str]:
            seen, stack = set(start), list(start)
            while stack:
                for near in step(stack.pop()):
                    if near not in seen:
                        seen.add(near)
                        stack.append(near)
            return list({graph.nodes[i].module for i in seen if i in graph.nodes and graph.nodes[i].kind == "op"})

        up = closure(lambda i: graph.nodes[i].inputs if i in graph.nodes else ())
        down = closure(lambda i: [node.id for node in graph.readers(graph.nodes[i])] if i in graph.nodes else ())
        return up, down
