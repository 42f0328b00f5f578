"""Where the boxes of a picture stand: Graphviz' ``dot``, through pygraphviz or a ``dot`` on the path.

The DOT that is written holds numbers alone (node 3 is ``n3``), never a name of the user's, so nothing needs escaping and no font
is asked for: the boxes come with their sizes and Graphviz only places them.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from functools import lru_cache
from typing import NamedTuple

Point = tuple[float, float]


class Box(NamedTuple):
    """What is to be placed: its size in pixels, and the innermost cluster that it stands in (−1: none)."""

    width: float
    height: float
    cluster: int = -1


class Frame(NamedTuple):
    """A cluster: the width that its heading needs, and the cluster around it (−1: none)."""

    width: float
    parent: int = -1


class Placed(NamedTuple):
    """A layout, in pixels, y downwards."""

    width: float
    height: float
    boxes: list[Point]
    """Centre of each box."""
    frames: list[tuple[float, float, float, float] | None]
    """x, y, width, height of each cluster; None for one without boxes."""
    edges: list[list[Point]]
    """Control points of each edge's cubic splines, from tail to head (1 + 3 n points); empty if it was not routed."""


def arrange(boxes: Sequence[Box], edges: Sequence[tuple[int, int]], frames: Sequence[Frame] = ()) -> Placed | None:
    """Place boxes and route edges from top to bottom.

    Args:
        boxes: sizes; the order is the order of execution.
        edges: (tail, head) indices of boxes.
        frames: clusters.

    Returns:
        None where there is no Graphviz, or it failed.
    """
    source = _dot(boxes, edges, frames)
    text = _pygraphviz(source)
    if text is None:
        text = _system(source)
    if text is None:
        return None
    with suppress(ValueError, KeyError, IndexError):
        return _read(json.loads(text), len(boxes), len(edges), len(frames))
    return None


def _dot(boxes: Sequence[Box], edges: Sequence[tuple[int, int]], frames: Sequence[Frame]) -> str:
    head = 'rankdir=TB;nodesep=0.28;ranksep=0.38;newrank=true;node[shape=box,fixedsize=true,label=""];edge[arrowhead=none]'
    if len(boxes) > 150:
        head += ";nslimit=4;mclimit=0.5"
    inside: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for i, box in enumerate(boxes):
        inside.setdefault(box.cluster, []).append(i)
    for i, frame in enumerate(frames):
        below.setdefault(frame.parent, []).append(i)

    def nodes(cluster: int) -> str:
        return "".join(
            f"n{i}[width={boxes[i].width / 72:.3f},height={boxes[i].height / 72:.3f}];" for i in inside.get(cluster, ())
        )

    def body(cluster: int) -> str:
        parts = [nodes(cluster)]
        for i in below.get(cluster, ()):
            room = f'fixedsize="true" width="{frames[i].width:.0f}" height="16"'
            blank = f'<<table {room} border="0" cellborder="0"><tr><td></td></tr></table>>'
            parts.append(f"subgraph cluster_{i}{{margin=10;label={blank};{body(i)}}}")
        return "".join(parts)

    links = "".join(f"n{tail}->n{head}[comment={k}];" for k, (tail, head) in enumerate(edges))
    return f"digraph{{{head};{body(-1)}{links}}}"


@lru_cache(maxsize=1)
def engine() -> str:
    """``pygraphviz``, ``dot``, or the empty string where there is no Graphviz."""
    try:
        import pygraphviz  # noqa: F401
    except Exception:  # ImportError, and OSError where the wheel's libraries do not fit the system
        return "dot" if shutil.which("dot") else ""
    return "pygraphviz"


def _pygraphviz(source: str) -> str | None:
    if engine() != "pygraphviz":
        return None
    try:
        import pygraphviz

        with _silence():
            return pygraphviz.AGraph(string=source).draw(format="json0", prog="dot").decode()
    except Exception:  # pygraphviz raises whatever comes out of the C library; a picture must not cost the report
        return None


def _system(source: str) -> str | None:
    if not shutil.which("dot"):
        return None
    try:
        done = subprocess.run(["dot", "-Tjson0"], input=source, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


@contextmanager
def _silence() -> Iterator[None]:
    """Graphviz warns on the process' standard error about large graphs and fonts; that is no news to a reader."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        with redirect_stderr(io.StringIO()):  # pygraphviz' own warnings
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _read(data: dict, boxes: int, edges: int, frames: int) -> Placed:
    left, bottom, right, top = (float(part) for part in data["bb"].split(","))
    pad = 8.0

    def point(text: str) -> Point:
        x, y = text.split(",")
        return float(x) - left + pad, top - float(y) + pad

    centres: list[Point] = [(0.0, 0.0)] * boxes
    rooms: list[tuple[float, float, float, float] | None] = [None] * frames
    for item in data.get("objects", ()):
        name = item["name"]
        if name.startswith("cluster_"):
            x0, y0, x1, y1 = (float(part) for part in item["bb"].split(","))
            rooms[int(name[8:])] = (x0 - left + pad, top - y1 + pad, x1 - x0, y1 - y0)
        else:
            centres[int(name[1:])] = point(item["pos"])
    routes: list[list[Point]] = [[] for _ in range(edges)]
    for edge in data.get("edges", ()):
        parts = edge.get("pos", "").split()
        routes[int(edge["comment"])] = [point(part) for part in parts if part[0] not in "es"]
    return Placed(right - left + 2 * pad, top - bottom + 2 * pad, centres, rooms, routes)
