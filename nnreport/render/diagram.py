"""The diagram: levels of the model drawn one by one, where each module stands in them, and what the page's script needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nnreport.facts import Facts, Module
from nnreport.finding import SEVERITIES, Finding
from nnreport.render import format
from nnreport.render.diagram_draw import draw
from nnreport.render.diagram_flow import ROOT, Entry, Flow
from nnreport.render.diagram_levels import Level, Levels
from nnreport.render.layout import engine


@dataclass
class Drawn:
    """One level, drawn."""

    id: int
    title: str
    """``Block``; of the first level the model's class."""
    paths: list[str]
    """Modules that look like this, in order."""
    part: str
    """For a part of a module: what it is, else empty."""
    svg: str
    items: list[list[object]]
    """Per item: module paths relative to the level's module (one repetition after the other), repetitions, target level or −1."""
    above: int | None
    base: str
    """The path of the module that it was drawn of."""


@dataclass
class Place:
    """Where a module or an operation is drawn."""

    level: int
    item: int
    """−1: the level shows it as a whole."""
    base: str
    """Path of the module that the level then stands for."""
    repetition: int = 0

    @property
    def anchor(self) -> str:
        """The id of its element."""
        return f"n{self.level}-{self.item}" if self.item >= 0 else f"level-{self.level}"


@dataclass
class Branch:
    """The tree of modules as a nested list, for where there is no picture."""

    name: str
    module: Module
    times: int = 1
    children: list[Branch] = field(default_factory=list)


@dataclass
class Diagram:
    """All that a page needs to show the model's structure."""

    levels: list[Drawn]
    """Empty where there is no picture; ``missing`` says why."""
    places: dict[str, Place]
    """Module path -> where it is drawn."""
    nodes: dict[int, Place]
    """Graph node of a finding -> where it is drawn."""
    missing: str
    tree: list[Branch]
    unreached: list[str]
    """Modules that were never called in the recorded forward."""


def diagram(facts: Facts, findings: Sequence[Finding] = (), anchors: Sequence[str] = ()) -> Diagram:
    """Draw a model.

    Args:
        facts: its graph and tree.
        findings: marked on the items that they concern.
        anchors: the page's anchor of each finding.
    """
    branches = tree(facts)
    if facts.graph is None or not (facts.graph.calls or facts.graph.nodes):
        return Diagram([], {}, {}, "No forward pass was recorded, so there is no graph to draw.", branches, [])
    keep = {finding.node for finding in findings if finding.node is not None}
    levels = Levels(Flow(facts.graph, facts.tree, keep))
    places, nodes = _places(levels, keep)
    marks = _marks(levels, findings, list(anchors) or [""] * len(findings), places, nodes)
    rows = {module.path: i for i, module in enumerate(facts.tree.modules)} if facts.tree else {}
    drawn = []
    for level in levels.all:
        made = draw(levels, level, marks.get(level.id, {}), f"Diagram of {_title(levels, level)}", rows)
        if made is None:
            missing = "Graphviz is not installed, so the structure is given as a list. Mend it with: pip install pygraphviz"
            return Diagram([], {}, {}, missing, branches, _unreached(facts))
        svg, drafts = made
        items: list[list[object]] = [
            [
                [path for repetition in draft.modules for path in repetition],
                draft.item.times,
                -1 if (t := draft.item.target) is None else t,
            ]
            for draft in drafts
        ]
        paths = (
            list(dict.fromkeys(levels.flow.path(call) for call in levels.calls_of.get(level.id, ()))) if not level.part else []
        )
        base = levels.flow.path(level.call)
        part = f"{len(level.part[0])} steps, {len(level.part)} times" if level.part else ""
        drawn.append(Drawn(level.id, _title(levels, level), paths or [base], part, svg, items, level.above, base))
    return Diagram(drawn, places, nodes, "", branches, _unreached(facts))


def _title(levels: Levels, level: Level) -> str:
    module = levels.flow.modules.get(levels.flow.path(level.call))
    name = module.name if module else levels.flow.path(level.call) or "the model"
    return f"a repeated part of {name}" if level.part and len(level.part) > 1 else f"a part of {name}" if level.part else name


def _places(levels: Levels, keep: set[int]) -> tuple[dict[str, Place], dict[int, Place]]:
    flow = levels.flow
    places = {"": Place(0, -1, "")}
    for call in flow.calls.values():
        if call.module not in places:
            found = levels.find(call.id)
            if found:
                places[call.module] = Place(found[0], found[1], flow.path(found[2]), found[3])
    nodes = {}
    for node in keep:
        found = levels.find(None, node) if node in flow.nodes else None
        if found:
            nodes[node] = Place(found[0], found[1], flow.path(found[2]), found[3])
    return places, nodes


Mark = tuple[str, str, str]


def _marks(
    levels: Levels, findings: Sequence[Finding], anchors: Sequence[str], places: dict[str, Place], nodes: dict[int, Place]
) -> dict[int, dict[int, Mark]]:
    """level -> item -> the worst finding on it or below it, in any of the equals that the level stands for."""
    flow = levels.flow
    first: dict[str, int] = {}
    for call in flow.calls.values():
        first.setdefault(call.module, call.id)
    told: dict[int, dict[int, list[int]]] = {}
    for i, finding in enumerate(findings):
        spots: set[tuple[int, int]] = set()
        place = nodes.get(finding.node) if finding.node is not None else None
        if place and place.item >= 0:
            spots.add((place.level, place.item))
        paths = dict.fromkeys([*([finding.module] if finding.module else []), *finding.modules])
        for path in paths:
            start = first.get(path)
            here = places.get(path)
            if here and here.item >= 0 and not (place and path == finding.module):
                spots.add((here.level, here.item))
            for above in levels.ancestors(start) if start is not None and start in flow.parent else ():
                spot = places.get(flow.path(above))
                if spot and spot.item >= 0 and above != start:
                    spots.add((spot.level, spot.item))
                spots |= _folds(levels, above)
        for level, item in spots:
            told.setdefault(level, {}).setdefault(item, []).append(i)
    out: dict[int, dict[int, Mark]] = {}
    for level_id, items in told.items():
        for item, some in items.items():
            worst = min(some, key=lambda i: SEVERITIES.index(findings[i].severity))
            tip = "; ".join(f"{findings[i].severity}: {findings[i].check}" for i in some[:4])
            out.setdefault(level_id, {})[item] = (findings[worst].severity, tip, anchors[worst])
    return out


def _folds(levels: Levels, call: int) -> set[tuple[int, int]]:
    """Where a call stands among repeats: (level, item) of every fold that holds it."""
    flow, spots = levels.flow, set()
    parent = flow.parent[call]
    chain = [parent, *reversed(levels.ancestors(parent)[:-1])] if parent != ROOT else [ROOT]
    for base in [*chain, ROOT]:
        key = ROOT if base == ROOT else levels.by_key.get(levels.keys.get(base, -1))
        if key is None:
            continue
        level = levels.all[0 if base == ROOT else key]
        spot = level.where.get(levels.twin(level, base, Entry(True, call)))
        if spot:
            spots.add((level.id, spot[0]))
            break
    return spots


def _unreached(facts: Facts) -> list[str]:
    """Modules that were not called, without their children."""
    if not facts.tree or not facts.graph:
        return []
    called = {call.module for call in facts.graph.calls}
    above = {path[:i] for path in called for i, c in enumerate(path) if c == "."} | called | {""}
    idle = [m for m in facts.tree.modules if m.path not in above and not m.functional and m.parent in above]
    return [module.path for module in idle if module.total or module.children]


def tree(facts: Facts) -> list[Branch]:
    """The modules as a nested list; equal neighbours are folded."""
    if not facts.tree:
        return []
    known = {module.path: module for module in facts.tree.modules}

    def grow(paths: list[str], depth: int) -> list[Branch]:
        grown: list[Branch] = []
        for path in paths:
            module = known.get(path)
            if module is None:
                continue
            last = grown[-1] if grown else None
            if last and module.signature and last.module.signature == module.signature:
                last.times += 1
                continue
            name = path.rpartition(".")[2]
            grown.append(Branch(name, module, 1, grow(module.children, depth + 1) if depth < 30 else []))
        for branch in grown:
            if branch.times > 1:
                first = paths.index(branch.module.path)
                branch.name += f" … {paths[first + branch.times - 1].rpartition('.')[2]}"
        return grown

    root = known.get("")
    if root is None:
        return grow([module.path for module in facts.tree.modules if module.parent is None], 0)
    return [Branch(format.module(""), root, 1, grow(root.children, 0))]


__all__ = ["Branch", "Diagram", "Drawn", "Place", "diagram", "engine", "tree"]
