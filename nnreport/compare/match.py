"""Which module of the new model is which of the old one.

Down the two trees from the root. Children of a matched pair are matched by name; children that have numbers for names (those of
``Sequential`` and ``ModuleList``) are aligned in order, so that one inserted layer is one insertion. What is left over on both
sides is then matched anywhere by structure (a wrapped or moved part), last by name and class.
"""

from __future__ import annotations

from collections import deque

from nnreport.compare.forest import Forest

CELLS = 300_000
"""Pairs of children that are weighed against each other in one container (seconds); beyond, equal ones are matched in order."""
EQUAL, NAME, SAME_CLASS, FAMILY, PLACE = 4.0, 0.5, 1.5, 0.8, 0.3
"""What an alignment gains by a pair that is equal in all, has one name, one class, one family, or one place in lists of one
length. Only their order matters: two equal pairs beat any one pair; a pair of one class beats a replacement."""
ALIKE = 0.5
"""Share of equal modules inside two containers from which one is the other under a new name."""


def match(old: Forest, new: Forest) -> dict[str, str]:
    """Old path -> new path of every module that is in both."""
    pairs: dict[str, str] = {}
    if "" in old.modules and "" in new.modules:
        descend(old, new, "", "", pairs)
    elsewhere(old, new, pairs)
    return pairs


def descend(old: Forest, new: Forest, a: str, b: str, pairs: dict[str, str]) -> None:
    """Matches a pair, and what is inside it."""
    stack = [(a, b)]
    taken = set(pairs.values())
    while stack:
        a, b = stack.pop()
        pairs[a] = b
        inside_a = [child for child in old.children[a] if child not in pairs]
        inside_b = [child for child in new.children[b] if child not in taken]
        stack += children(old, new, inside_a, inside_b)


def children(old: Forest, new: Forest, xs: list[str], ys: list[str]) -> list[tuple[str, str]]:
    """Pairs among the children of two containers."""
    if xs and ys and all(old.local(x).isdigit() for x in xs) and all(new.local(y).isdigit() for y in ys):
        return align(old, new, xs, ys)
    names = {new.local(y): y for y in ys}
    found = [(x, names[old.local(x)]) for x in xs if old.local(x) in names]
    left, right = {x for x, _ in found}, {y for _, y in found}
    rest_x, rest_y = [x for x in xs if x not in left], [y for y in ys if y not in right]
    return found + [(x, y) for x, y in align(old, new, rest_x, rest_y, renamed=True)]


def align(old: Forest, new: Forest, xs: list[str], ys: list[str], renamed: bool = False) -> list[tuple[str, str]]:
    """The pairs of the best alignment that keeps the order of both lists.

    Args:
        old, new: whose they are.
        xs, ys: paths.
        renamed: they have names, and none in common: only what is equal, or alike inside, is one.
    """
    found: list[tuple[str, str]] = []
    length = len(xs) == len(ys)
    start = 0
    while start < min(len(xs), len(ys)) and old.keys[xs[start]] == new.keys[ys[start]]:
        start += 1
    end = 0
    while end < min(len(xs), len(ys)) - start and old.keys[xs[-1 - end]] == new.keys[ys[-1 - end]]:
        end += 1
    found += list(zip(xs[:start], ys[:start], strict=True))
    if end:
        found += list(zip(xs[-end:], ys[-end:], strict=True))
    xs, ys = xs[start : len(xs) - end], ys[start : len(ys) - end]
    if not xs or not ys:
        return found
    if len(xs) * len(ys) > CELLS:
        return found + in_order(old, new, xs, ys)
    known: dict[tuple[str, str], float] = {}

    def gain(x: str, y: str) -> float:
        key = (old.keys[x], new.keys[y])
        if key not in known:
            known[key] = likeness(old, new, x, y, renamed)
        score = known[key]
        if old.local(x) == new.local(y) and not renamed:
            score += NAME if score else PLACE if length else 0.0
        return score

    return found + best_path(xs, ys, gain)


def best_path(xs: list[str], ys: list[str], gain: object) -> list[tuple[str, str]]:
    """Needleman and Wunsch's alignment without a penalty for gaps."""
    assert callable(gain)
    scores = [[gain(x, y) for y in ys] for x in xs]
    best = [[0.0] * (len(ys) + 1) for _ in range(len(xs) + 1)]
    for i in range(len(xs) - 1, -1, -1):
        row, below = best[i], best[i + 1]
        for j in range(len(ys) - 1, -1, -1):
            score = scores[i][j]
            row[j] = max(below[j], row[j + 1], below[j + 1] + score if score > 0 else 0.0)
    found, i, j = [], 0, 0
    while i < len(xs) and j < len(ys):
        if scores[i][j] > 0 and best[i][j] == best[i + 1][j + 1] + scores[i][j]:
            found.append((xs[i], ys[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def likeness(old: Forest, new: Forest, x: str, y: str, renamed: bool) -> float:
    """How much two modules are one, whatever their names; 0: not at all."""
    if old.keys[x] == new.keys[y]:
        return EQUAL
    same = old.bare or old.cls(x) == new.cls(y)
    if old.children[x] and new.children[y]:
        common = (old.inside[x] & new.inside[y]).total()
        share = 2 * common / (old.inside[x].total() + new.inside[y].total())
        if renamed and (not same or share < ALIKE):
            return 0.0
        return (SAME_CLASS if same else 0.0) + 2 * share
    if renamed:
        return 0.0
    if same:
        return SAME_CLASS
    return FAMILY if old.family(x) and old.family(x) == new.family(y) else 0.0


def in_order(old: Forest, new: Forest, xs: list[str], ys: list[str]) -> list[tuple[str, str]]:
    """Equal ones in the order in which they come: for lists that are too long to weigh."""
    waiting: dict[str, deque[str]] = {}
    for y in ys:
        waiting.setdefault(new.keys[y], deque()).append(y)
    return [(x, waiting[old.keys[x]].popleft()) for x in xs if waiting.get(old.keys[x])]


def elsewhere(old: Forest, new: Forest, pairs: dict[str, str]) -> None:
    """What is left over on both sides: equal parts wherever they went, largest first; then those of one name and class; then
    those of one class, settings and number of parameters (an unregistered module, whose shapes are not known)."""
    for key in (lambda forest, path: forest.keys[path], by_name, by_settings):
        taken = set(pairs.values())
        waiting: dict[str, deque[str]] = {}
        for y in new.modules:
            if y not in taken and (name := key(new, y)):
                waiting.setdefault(name, deque()).append(y)
        for x in sorted(old.modules, key=lambda path: -old.inside[path].total()):
            if x in pairs:
                continue
            queue = waiting.get(key(old, x), deque())
            while queue and queue[0] in taken:
                queue.popleft()
            if queue:
                descend(old, new, x, queue.popleft(), pairs)
                taken = set(pairs.values())


def by_name(forest: Forest, path: str) -> str:
    """Name within its parent, and class."""
    return f"{forest.local(path)}\0{forest.cls(path)}"


def by_settings(forest: Forest, path: str) -> str:
    """Class, settings and size of a layer with parameters; empty of others."""
    module = forest.modules[path]
    if forest.bare or forest.children[path] or not module.parameters:
        return ""
    return f"{module.name}\0{sorted(module.settings.items())}\0{module.parameters}"
