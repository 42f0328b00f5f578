"""The levels of a diagram: one module at a time, what stands in it and how it hangs together.

A level is made once for all calls that did the same (:meth:`Flow.keys`); the module paths in it are relative to the module
that it shows, so that the level of one block serves its eighty equals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from nnreport.facts import TensorInfo
from nnreport.render.diagram_flow import ROOT, Entry, Flow
from nnreport.render.diagram_fold import find_runs

READABLE = 26
"""Items that a level may hold for containers to be shown opened in it."""
CHUNK = 60
"""Steps of one module beyond which they are shown in parts."""
LEVELS = 200
"""Levels drawn; containers beyond lead to their row in the table instead."""


@dataclass
class Item:
    """One box of a level."""

    kind: str
    """``module op input output constant port group``"""
    entries: list[list[Entry]] = field(default_factory=list)
    """Steps that it stands for, one list a repetition."""
    frame: int = -1
    target: int | None = None
    """Level that shows it from the inside."""
    source: int | None = None
    """port: the node outside."""
    info: list[TensorInfo] = field(default_factory=list)

    @property
    def times(self) -> int:
        return len(self.entries)

    @property
    def first(self) -> Entry:
        return self.entries[0][0]


@dataclass
class Frame:
    """A container shown opened."""

    call: int
    parent: int = -1


@dataclass
class Level:
    """One picture."""

    id: int
    call: int
    """The call that it was made of, one of several equals."""
    part: list[list[Entry]] | None = None
    """A part of a call: its steps, one list a repetition."""
    above: int | None = None
    """Level that led here first."""
    items: list[Item] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    edges: dict[tuple[int, int], TensorInfo | None] = field(default_factory=dict)
    guessed: set[tuple[int, int]] = field(default_factory=set)
    """Edges that were not recorded: what was given to a call that failed before it did anything."""
    where: dict[Entry, tuple[int, int]] = field(default_factory=dict)
    """Step -> (item, repetition)."""


class Levels:
    """All levels of a graph; the first is the model itself."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.keys = flow.keys()
        self.all: list[Level] = []
        self.by_key: dict[int, int] = {}
        self.opened: dict[int, int] = {}
        """call -> level in which it is drawn opened."""
        self._new(ROOT, None, None)
        for level in self.all:  # grows while it is walked
            self._fill(level)
        self.calls_of: dict[int, list[int]] = defaultdict(list)
        for call, key in self.keys.items():
            if key in self.by_key:
                self.calls_of[self.by_key[key]].append(call)

    def _new(self, call: int, part: list[list[Entry]] | None, above: int | None) -> int | None:
        key = self.keys.get(call)
        if part is None and key in self.by_key:
            return self.by_key[key]
        if len(self.all) >= LEVELS:
            return None
        level = Level(len(self.all), call, part, above)
        self.all.append(level)
        if part is None and key is not None:
            self.by_key[key] = level.id
        return level.id

    # ------------------------------------------------------------------------------------------------ what stands in it

    def _fill(self, level: Level) -> None:
        steps = self._steps(level.part[0] if level.part else self.flow.entries[level.call], folded=bool(level.part))
        placed: list[tuple[list[list[Entry]], int]] = [(step, -1) for step in steps]
        placed = self._open(level, placed)
        for step, frame in placed:
            level.items.append(Item(self._kind(step), step, frame))
        for i, item in enumerate(level.items):
            for repetition, entries in enumerate(item.entries):
                for entry in entries:
                    level.where[entry] = (i, repetition)
        if level.part:  # the other repetitions are at the same places
            for repetition, entries in enumerate(level.part[1:], start=1):
                for mine, other in zip(level.part[0], entries, strict=True):
                    if mine in level.where:
                        level.where[other] = (level.where[mine][0], repetition)
        self._connect(level)
        for item in level.items:
            if item.kind == "group":
                item.target = self._new(level.call, item.entries, level.id)
            elif item.kind == "module" and self.flow.drillable(item.first.id):
                item.target = self._new(item.first.id, None, level.id)

    def _kind(self, step: list[list[Entry]]) -> str:
        entry = step[0][0]
        if len(step[0]) > 1:
            return "output" if not entry.is_call and self.flow.nodes[entry.id].kind == "output" else "group"
        return "module" if entry.is_call else self.flow.nodes[entry.id].kind

    def _steps(self, entries: list[Entry], folded: bool) -> list[list[list[Entry]]]:
        """The steps with repeats folded; very many are cut into parts."""
        flow = self.flow
        if not folded and len(entries) > 2:
            place: dict[int, int] = {node: i for i, entry in enumerate(entries) for node in flow.inside(entry)}
            kinds = [self._sort(entry) for entry in entries]
            reads = [self._reads(entry, place, i) for i, entry in enumerate(entries)]
            read_by = [self._read_by(entry, place, i, len(entries)) for i, entry in enumerate(entries)]
            runs = {run.start: run for run in find_runs(kinds, reads, read_by)}
        else:
            runs = {}
        last = [i for i, entry in enumerate(entries) if not entry.is_call and flow.nodes[entry.id].kind == "output"]
        rest = [entries[i] for i in last[1:]] if len(last) > 3 else []  # caches and hidden states beside the output
        entries = [entry for entry in entries if entry not in rest]
        steps, at = [], 0
        while at < len(entries):
            run = runs.get(at)
            if run is None:
                steps.append([[entries[at]]])
                at += 1
                continue
            steps.append([entries[at + k * run.period : at + (k + 1) * run.period] for k in range(run.times)])
            at += run.period * run.times
        if len(steps) <= CHUNK * 2:
            return steps + ([[rest]] if rest else [])
        flat = [[entry for part in step for entry in part] for step in steps]
        each = max(2, min(CHUNK, math.ceil(math.sqrt(len(steps)))))
        return [[[entry for part in flat[i : i + each] for entry in part]] for i in range(0, len(flat), each)] + (
            [[rest]] if rest else []
        )

    def _sort(self, entry: Entry) -> object:
        if entry.is_call:
            return ("call", self.keys[entry.id])
        chain = self.flow.chain[entry.id]
        return (chain[0].kind, tuple(node.name for node in chain), tuple(tuple(out.shape) for out in chain[-1].outputs))

    def _reads(self, entry: Entry, place: dict[int, int], here: int) -> set[int]:
        sources = {source for node in self.flow.inside(entry) for source, _ in self.flow.sources[node]}
        return {place.get(source, ~source) for source in sources if place.get(source) != here}

    def _read_by(self, entry: Entry, place: dict[int, int], here: int, far: int) -> set[int]:
        readers = {reader for node in self.flow.inside(entry) for reader in self.flow.readers.get(node, ())}
        readers = {reader for reader in readers if self.flow.nodes[reader].kind != "output"}  # caches: every block has one
        return {place.get(reader, far) for reader in readers if place.get(reader) != here}

    def _open(self, level: Level, placed: list[tuple[list[list[Entry]], int]]) -> list[tuple[list[list[Entry]], int]]:
        """Show small containers opened, those of one class all or none, as long as the level stays readable."""
        while True:
            rooms: dict[str, list[int]] = {}
            for i, (step, _) in enumerate(placed):
                if len(step) == 1 and len(step[0]) == 1 and step[0][0].is_call and self.flow.children.get(step[0][0].id):
                    rooms.setdefault(self._class(step[0][0].id), []).append(i)
            inner: dict[int, list[list[list[Entry]]]] = {}
            total = len(placed)
            for some in rooms.values():
                opened = {i: self._steps(self.flow.entries[placed[i][0][0][0].id], folded=False) for i in some}
                more = sum(len(steps) - 1 for steps in opened.values())
                lone = len(placed) <= 3 and total + more <= 2 * READABLE
                if total + more <= READABLE or lone:
                    inner |= opened
                    total += more
            if not inner:
                return placed
            after: list[tuple[list[list[Entry]], int]] = []
            for i, (step, frame) in enumerate(placed):
                if i not in inner:
                    after.append((step, frame))
                    continue
                level.frames.append(Frame(step[0][0].id, frame))
                self.opened[step[0][0].id] = level.id
                after += [(each, len(level.frames) - 1) for each in inner[i]]
            placed = after

    def _class(self, call: int) -> str:
        module = self.flow.modules.get(self.flow.path(call))
        return module.cls if module else ""

    # --------------------------------------------------------------------------------------------- how it hangs together

    def _connect(self, level: Level) -> None:
        flow = self.flow
        owner: dict[int, int] = {}
        for i, item in enumerate(level.items):
            for entries in item.entries:
                for entry in entries:
                    owner.update(dict.fromkeys(flow.inside(entry), i))
        ports: dict[int, int] = {}
        out: dict[int, TensorInfo | None] = {}
        outside = sorted({source for node in owner for source, _ in flow.sources[node] if source not in owner})
        for node in sorted(owner):
            for source, info in flow.sources[node]:
                tail = owner.get(source)
                if tail is None:
                    tail = self._port(level, ports, source, info, crowded=len(outside) > 4)
                if tail != owner[node]:
                    level.edges.setdefault((tail, owner[node]), info)
            leaves = any(reader not in owner for reader in flow.readers.get(node, ()))
            if leaves and owner[node] not in out:
                out[owner[node]] = next(iter(flow.outputs(node)), None)
        if out:
            level.items.append(Item("port", info=[info for info in out.values() if info][:1]))
            for i, info in out.items():
                level.edges[(i, len(level.items) - 1)] = info
        self._guess(level)

    def _port(self, level: Level, ports: dict[int, int], source: int, info: TensorInfo | None, crowded: bool) -> int:
        key = -1 if crowded else source
        if key not in ports:
            level.items.append(Item("port", source=source, info=[info] if info else []))
            ports[key] = len(level.items) - 1
        return ports[key]

    def _guess(self, level: Level) -> None:
        """A call that failed before any operation ran was given what came last."""
        reached = {head for _, head in level.edges}
        for i, item in enumerate(level.items):
            if i and i not in reached and item.kind == "module" and self.flow.calls[item.first.id].failed:
                inputs = self.flow.calls[item.first.id].inputs
                level.edges[(i - 1, i)] = inputs[0] if inputs else None
                level.guessed.add((i - 1, i))

    # ------------------------------------------------------------------------------------------------------- where is it

    def find(self, call: int | None, node: int | None = None) -> tuple[int, int, int, int] | None:
        """Where a call or a node is drawn: (level, item or −1 for the level's frame or whole, call of that level, repetition)."""
        flow = self.flow
        if node is not None:
            head = flow.head.get(node)
            if head is None:
                return None
            home = flow.home(flow.nodes[head])
            wanted: list[Entry] = [Entry(True, each) for each in self.ancestors(home)] + [Entry(False, head)]
        elif call is not None and call in flow.parent:
            wanted = [Entry(True, each) for each in self.ancestors(call)]
        else:
            return (0, -1, ROOT, 0)
        level, base, repetition, seen = self.all[0], ROOT, 0, -1
        for step, entry in enumerate(wanted):
            twin = self.twin(level, base, entry)
            while twin in level.where and level.items[level.where[twin][0]].kind == "group":
                i, repetition = level.where[twin]
                if level.items[i].target is None:
                    return (level.id, i, base, 0)
                level = self.all[level.items[i].target or 0]
            if twin not in level.where:
                seen = -1
                continue  # drawn opened: its steps are here
            i = level.where[twin][0]
            item = level.items[i]
            if item.times > 1 and item.kind == "module" and item.target is not None:
                level, base, repetition, seen = self.all[item.target], entry.id, 0, -1
                continue
            seen = i
            if step == len(wanted) - 1 or item.target is None:
                return (level.id, seen, base, repetition)
            level, base, repetition, seen = self.all[item.target], entry.id, 0, -1
        return (level.id, seen, base, repetition)

    def ancestors(self, call: int) -> list[int]:
        """The call and those around it, outermost first."""
        chain = []
        while call != ROOT:
            chain.append(call)
            call = self.flow.parent[call]
        return chain[::-1]

    def twin(self, level: Level, base: int, entry: Entry) -> Entry:
        """The step of the level's own call that corresponds to a step below ``base``, an equal of it."""
        if base == level.call:
            return entry
        flow = self.flow
        if not entry.is_call:
            mine, other = flow.inner[level.call], flow.inner[base]
            return Entry(False, mine[other.index(entry.id)]) if entry.id in other else entry
        here = level.call
        for ordinal in flow.ordinals[entry.id][len(flow.ordinals[base]) :]:
            here = flow.children[here][ordinal]
        return Entry(True, here)
