"""One level of the diagram as SVG."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from nnreport.facts import Module
from nnreport.render import format
from nnreport.render.diagram_levels import Item, Level, Levels
from nnreport.render.layout import Box, Frame, Placed, Point, arrange
from nnreport.render.svg import ERROR, INK, MUTED, SEVERITY, label, num, picture, tag, text, title

FILL = {
    "w": ("#e6effa", "#6f97cc"),
    "n": ("#f2ebf8", "#a98bc8"),
    "a": ("#fcf0d8", "#c99a3c"),
    "c": ("#ffffff", "#6b7380"),
    "m": ("#f1f3f5", "#a9b0b8"),
    "o": ("#f7f8f9", "#b9bfc6"),
    "i": ("#e5f3ea", "#79ae8a"),
}
"""Kind -> fill and stroke: weights, norm, activation, container, other module, operation, input or output."""
KINDS = {
    "w": "layer with weights",
    "n": "normalisation",
    "a": "activation",
    "c": "container",
    "m": "other layer",
    "o": "operation",
}
LETTER = {"error": "!", "warning": "!", "note": "i"}


class Draft:
    """What is written on an item."""

    def __init__(self, levels: Levels, level: Level, item: Item) -> None:
        flow = levels.flow
        self.item = item
        self.kind = "o"
        self.name, self.sub, self.tip = "", "", ""
        base = flow.path(level.frames[item.frame].call if item.frame >= 0 else level.call)
        paths = [[flow.path(e.id) for e in entries if e.is_call] for entries in item.entries]
        home = flow.path(level.call)
        self.modules = [[flow.relative(path, home) for path in each] for each in paths]
        """Paths relative to the level's module, a list per repetition."""
        self.failed = any(e.is_call and flow.calls[e.id].failed for entries in item.entries for e in entries)
        if item.kind == "port":
            self.kind, self.name = "i", "in" if item.source is not None else "out"
            self.sub = format.shapes(item.info, 1) if item.info else ""
            self.tip = "comes from outside" if item.source is not None else "goes on outside"
        elif item.kind == "group":
            names = [flow.relative(flow.path(e.id), base) if e.is_call else flow.nodes[e.id].name for e in item.entries[0]]
            self.kind, self.sub = "c", f"{len(names)} steps"
            self.name = f"{names[0]} … {names[-1]}"
            self.tip = ", ".join(names[:12])
        elif item.kind == "module":
            self._module(levels, base, paths)
        else:
            self._node(levels)
        if item.times > 1:
            self.sub += f" ×{item.times}"

    def _module(self, levels: Levels, base: str, paths: list[list[str]]) -> None:
        flow, item = levels.flow, self.item
        call = flow.calls[item.first.id]
        module = flow.modules.get(call.module)
        names = [flow.relative(each[0], base) for each in paths]
        self.name = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        reads = any(node.parameters for each in flow.inner[call.id] for node in flow.chain[each])
        self.kind = sort(module, item.target is not None, reads)
        self.sub = module.name if module else ""
        total = module.total if module else 0
        if total:
            self.sub += f" · {format.short(total * (1 if len(set(names)) == 1 else len(names)))}"
        if call.nth:
            self.sub += f" · call {call.nth + 1}"
        given, made = format.shapes(call.inputs), format.shapes(call.outputs)
        self.tip = f"{call.module}: {given} → {made}"

    def _node(self, levels: Levels) -> None:
        flow, item = levels.flow, self.item
        node = flow.nodes[item.first.id]
        chain = [each.name for each in flow.chain[node.id]]
        self.name = " · ".join(chain) if len(chain) <= 3 else f"{chain[0]} … {chain[-1]}"
        self.tip = " → ".join(chain) + f": {format.shapes(node.reads)} → {format.shapes(flow.outputs(node.id))}"
        if node.kind in ("input", "output"):
            self.kind = "i"
            self.name = node.name or node.kind
            self.sub = format.shapes(node.outputs or node.reads)
        if node.kind == "output" and item.times == 1 and len(item.entries[0]) > 1:
            self.name, self.sub = f"{len(item.entries[0])} more outputs", format.shapes(node.outputs or node.reads)
            self.tip = ", ".join(flow.nodes[entry.id].name for entry in item.entries[0][:30])
        if node.kind == "constant":
            self.name = node.name or "constant"

    @property
    def two_lines(self) -> bool:
        return bool(self.sub)

    def size(self) -> tuple[float, float]:
        limit = 26
        name = measure(format.elide(self.name, limit), 12.5 if self.two_lines else 11.5)
        sub = measure(format.elide(self.sub, limit + 4), 10.5)
        width = max(name, sub) + (26 if self.two_lines else 22)
        return max(width, 84.0 if self.two_lines else 44.0), 42.0 if self.two_lines else 24.0


def sort(module: Module | None, container: bool, weighted: bool = False) -> str:
    """The letter of a module's kind; ``weighted``: it reads parameters, be they counted elsewhere (tied)."""
    if container:
        return "c"
    name = module.kind or module.name if module else ""
    if "Norm" in name:
        return "n"
    if module and module.location and module.location.path.endswith("activation.py") and not weighted and not module.total:
        return "a"
    return "w" if weighted or (module and module.total) else "m"


def measure(words: str, size: float) -> float:
    """About how wide a line of text gets."""
    return size * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.32 if c in " .,:;il|'!" else 0.6 for c in words)


def draw(
    levels: Levels, level: Level, marks: dict[int, tuple[str, str, str]], name: str, rows: Mapping[str, int]
) -> tuple[str, list[Draft]] | None:
    """The SVG of a level and what stands on its items; None without Graphviz.

    Args:
        levels, level: what to draw.
        marks: item -> (severity, tooltip, link) of the findings on it.
        name: alternative text.
        rows: module path -> number of its row in the table of layers, which an item leads to.
    """
    drafts = [Draft(levels, level, item) for item in level.items]
    boxes = [Box(*draft.size(), draft.item.frame) for draft in drafts]
    heads = [_heading(levels, level, i) for i in range(len(level.frames))]
    frames = [Frame(measure(head, 11) + 12, level.frames[i].parent) for i, head in enumerate(heads)]
    placed = arrange(boxes, list(level.edges), frames)
    if placed is None:
        return None
    parts = []
    for i, room in enumerate(placed.frames):
        if room:
            parts.append(_frame(levels, level, i, room, heads[i]))
    edges, reach = _edges(level, placed)
    parts.append(edges)
    items = [_item(level, i, draft, placed.boxes[i], boxes[i], _link(levels, draft, rows)) for i, draft in enumerate(drafts)]
    parts.append(tag("g", "".join(items), text_anchor="middle", font_size=10.5, fill=MUTED))
    for i, mark in marks.items():
        if i >= 0:
            x, y = placed.boxes[i]
            parts.append(_mark(x + boxes[i].width / 2, y - boxes[i].height / 2, mark, f"m{level.id}-{i}"))
    return picture(max(placed.width + 8, reach), placed.height, name, "".join(parts), class_="dg", role="group"), drafts


def _heading(levels: Levels, level: Level, frame: int) -> str:
    flow = levels.flow
    call, parent = level.frames[frame].call, level.frames[frame].parent
    path = flow.path(call)
    base = flow.path(level.frames[parent].call if parent >= 0 else level.call)
    module = flow.modules.get(path)
    return f"{format.elide(flow.relative(path, base), 24)} · {module.name if module else ''}".rstrip(" ·")


def _frame(levels: Levels, level: Level, i: int, room: tuple[float, float, float, float], head: str) -> str:
    x, y, width, height = room
    failed = levels.flow.calls[level.frames[i].call].failed
    look = {"fill": "#8a94a3", "fill_opacity": "0.07", "stroke": ERROR if failed else "#b9bfc6", "stroke_dasharray": "3 3"}
    path = levels.flow.relative(levels.flow.path(level.frames[i].call), levels.flow.path(level.call))
    if measure(head, 11) + 20 > width / 2:  # edges come in at the middle
        head = format.elide(head.partition(" · ")[0], max(4, int((width / 2 - 20) / 6.6)))
    box = tag("rect", x=x, y=y, width=width, height=height, rx=9, **look) + label(x + 10, y + 17, head, size=11, fill=MUTED)
    return tag("g", title(path) + box, class_="fr", id=f"f{level.id}-{i}")


def _link(levels: Levels, draft: Draft, rows: Mapping[str, int]) -> str:
    """Where an item leads without any script: into the container, else to the layer's row."""
    if draft.item.target is not None:
        return f"level-{draft.item.target}"
    path = levels.flow.path(draft.item.first.id) if draft.item.kind == "module" else None
    return f"r{rows[path]}" if path is not None and path in rows else ""


def _item(level: Level, i: int, draft: Draft, at: Point, box: Box, link: str) -> str:
    width, height = box.width, box.height
    x, y = at[0] - width / 2, at[1] - height / 2
    fill, stroke = FILL[draft.kind]
    classes = f"n k-{draft.kind}" + (" failed" if draft.failed else "")
    pairs: dict[str, Any] = {"fill": fill, "stroke": stroke, "rx": 6 if draft.two_lines else 12}
    if draft.failed:
        pairs |= {"fill": "#fdecef", "stroke": ERROR, "stroke_width": 2}
    parts = [title(draft.tip + (" — failed here" if draft.failed else ""))]
    if draft.item.times > 1:
        parts += [tag("rect", x=x + d, y=y + d, width=width, height=height, class_="bk", **pairs) for d in (6.0, 3.0)]
    parts.append(tag("rect", x=x, y=y, width=width, height=height, class_="bx", **pairs))
    if draft.item.target is not None and draft.item.times == 1:
        inner: dict[str, Any] = {"fill": "none", "stroke": stroke, "stroke_opacity": "0.45", "rx": 4}
        parts.append(tag("rect", x=x + 3, y=y + 3, width=width - 6, height=height - 6, class_="in", **inner))
    if draft.two_lines:
        words: dict[str, Any] = {"x": at[0], "y": at[1] - 2.5, "fill": INK, "font_size": 12.5, "font_weight": 600}
        parts.append(tag("text", text(format.elide(draft.name, 26)), **words))
        parts.append(tag("text", text(format.elide(draft.sub, 30)), x=at[0], y=at[1] + 12.5))
    else:
        parts.append(tag("text", text(format.elide(draft.name, 26)), x=at[0], y=at[1] + 4, fill=INK, font_size=11.5))
    return tag("a" if link else "g", "".join(parts), id=f"n{level.id}-{i}", class_=classes, href=f"#{link}" if link else None)


def _mark(x: float, y: float, mark: tuple[str, str, str], name: str) -> str:
    severity, tip, link = mark
    shape = tag("circle", cx=x - 2, cy=y + 2, r=8, fill=SEVERITY[severity], class_=f"mk-{severity}")
    letter = label(x - 2, y + 6, LETTER[severity], anchor="middle", size=11, fill="#ffffff", font_weight=700, class_="mt")
    return f'<a id="{name}" href="#{text(link)}" class="mk" aria-label="{text(tip)}">{title(tip)}{shape}{letter}</a>'


def _edges(level: Level, placed: Placed) -> tuple[str, float]:
    """Lines, heads and labels of the edges, and how far to the right the labels reach."""
    lines, heads, labels = [], [], []
    said: dict[tuple[int, str], float] = {}
    for (ends, info), points in zip(level.edges.items(), placed.edges, strict=True):
        if len(points) < 4:
            points = [placed.boxes[ends[0]], placed.boxes[ends[0]], placed.boxes[ends[1]], placed.boxes[ends[1]]]
        path = f"M{num(points[0][0])} {num(points[0][1])}C" + " ".join(f"{num(x)} {num(y)}" for x, y in points[1:])
        lines.append(
            tag("path", d=path, class_=f"e{ends[0]} e{ends[1]}", stroke_dasharray="4 3" if ends in level.guessed else None)
        )
        heads.append(_arrow(points))
        words = format.shape(info.shape) if info else ""
        length = abs(points[-1][0] - points[0][0]) + abs(points[-1][1] - points[0][1])
        key = (ends[0], words)
        if words and level.items[ends[0]].kind not in ("port", "input") and length < said.get(key, 1e9):
            said[key] = length
            labels.append((key, _after(points), words))
    written = {key: label(x + 6, y + 4, words, size=9.5, class_="ct halo") for key, (x, y), words in labels}
    reach = max((x + 8 + measure(words, 9.5) for (x, _), words in ((at, words) for _, at, words in labels)), default=0.0)
    group = tag("g", "".join(lines), class_="es", fill="none", stroke="#8a929c", stroke_width=1.2)
    return group + tag("path", d="".join(heads) or "M0 0", class_="ah", fill="#8a929c") + "".join(written.values()), reach


def _arrow(points: list[Point]) -> str:
    (x, y), (px, py) = points[-1], points[-2]
    if (x, y) == (px, py):
        px, py = points[-3]
    dx, dy = x - px, y - py
    size = (dx * dx + dy * dy) ** 0.5 or 1.0
    dx, dy = dx / size * 7, dy / size * 7
    return (
        f"M{num(x)} {num(y)}L{num(x - dx - dy / 2.2)} {num(y - dy + dx / 2.2)} {num(x - dx + dy / 2.2)} {num(y - dy - dx / 2.2)}z"
    )


def _after(points: list[Point], distance: float = 15.0) -> Point:
    """The point of the first spline that lies so far from its start: near the tail, labels of different edges do not meet."""
    a, b, c, d = points[:4]
    for step in range(1, 21):
        t = step / 20
        at = tuple((1 - t) ** 3 * a[k] + 3 * (1 - t) ** 2 * t * b[k] + 3 * (1 - t) * t * t * c[k] + t**3 * d[k] for k in (0, 1))
        if abs(at[0] - a[0]) + abs(at[1] - a[1]) >= distance:
            break
    return at[0], at[1]


__all__ = ["FILL", "KINDS", "Draft", "draw", "measure", "sort"]
