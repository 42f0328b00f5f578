"""A second opinion on the graph: torchview records the same forward, and its calls and edges are held against ours.

torchview is used as a recorder only, on a copy of its own: its drawing fails on many models whose recording is complete, and it
changes the model that it sees (flags, tensors kept on ``self``). Compared are the module calls, each by path and count, and the
edges between leaf calls: which leaf module's result is read by which, whatever functions lie between.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Collection, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from nnreport.facts import Graph, Tree, Witness
from nnreport.inspector.clone import clone
from nnreport.inspector.feeding.nested import map_tensors
from nnreport.inspector.seeding import seeded
from nnreport.inspector.tracing.recording import Names, names_of

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample

MODULES = 300
"""More modules than these are not worth the wait: torchview takes 53 times a forward on 1,000 small layers."""
CALLS = 1000
FLOPS = 1e10
SECONDS = 3.0
"""It is stopped after this, or after ten times our own recording."""
SHOWN = 3
"""Differences named."""

CallKey = tuple[str, int]
"""(module path, how many calls of it came before)."""


class TooSlow(Exception):
    """The witness took too long."""


def witness(model: nn.Module, sample: Sample, graph: Graph, tree: Tree, seed: int, seconds: float) -> Witness:
    """torchview's recording held against ``graph``. Raises nothing, prints nothing, takes bounded time.

    Args:
        model: the user's; a copy of it is run.
        sample: its inputs.
        graph: ours.
        tree: of the model.
        seed: of the forward.
        seconds: what our own recording took.
    """
    expected = len(graph.calls)
    if len(tree.modules) > MODULES or expected > CALLS:
        detail = f"torchview is not run on models of more than {MODULES} modules or {CALLS:,} calls"
        return Witness(name="torchview", state="skipped", detail=detail, expected=expected)
    if graph.flops > FLOPS:
        detail = f"torchview is not run where a forward takes more than {FLOPS / 1e9:.0f} GFLOP"
        return Witness(name="torchview", state="skipped", detail=detail, expected=expected)
    start = perf_counter()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            with torch.no_grad():
                copy = clone(model).eval()
            with deadline(start + max(SECONDS, 10 * seconds)):
                found = compare(torchview_recording(copy, names_of(copy, tree), sample, seed), graph)
    except ImportError:
        return Witness(name="torchview", state="skipped", detail="torchview is not installed", expected=expected)
    except TooSlow:
        found = Witness(name="torchview", state="skipped", detail="torchview took too long and was stopped")
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, TooSlow):
            found = Witness(name="torchview", state="skipped", detail="torchview took too long and was stopped")
        else:
            said = next((line for line in str(cause).splitlines() if line.strip()), "")
            found = Witness(name="torchview", state="failed", detail=f"torchview raised {type(cause).__name__}: {said}"[:200])
    found.expected = expected
    found.seconds = perf_counter() - start
    return found


@contextlib.contextmanager
def deadline(end: float) -> Iterator[None]:
    """Raises :class:`TooSlow` at the first module call after ``end``."""

    def check(module: nn.Module, args: Any) -> None:
        if perf_counter() > end:
            raise TooSlow

    handle = register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        handle.remove()


def torchview_recording(copy: nn.Module, names: Names, sample: Sample, seed: int) -> Reading:
    """What torchview saw."""
    from torchview.computation_graph import ComputationGraph
    from torchview.torchview import forward_prop, process_input

    args, kwargs = map_tensors((tuple(sample.args), dict(sample.kwargs)), lambda tensor: tensor.detach().clone())
    device = next((p.device for p in copy.parameters()), torch.device("cpu"))
    given, named, roots = process_input(list(args), None, kwargs, device)
    recording = ComputationGraph(None, roots)
    with seeded(seed, device):
        forward_prop(copy, given, device, recording, "eval", **named)
    return Reading(names.paths, recording.node_hierarchy)


class Reading:
    """torchview's nested nodes as calls, and edges between leaf calls.

    Args:
        paths: ``id(module) -> path``.
        hierarchy: torchview's ``node_hierarchy``.
    """

    def __init__(self, paths: Mapping[int, str], hierarchy: Mapping[Any, list[Any]]) -> None:
        self.paths = paths
        self.calls: list[CallKey] = []
        self.counts: dict[str, int] = {}
        self.inner: dict[int, CallKey | None] = {}
        """id(function node) -> the leaf call that it lies in, None in a container."""
        self.functions: list[Any] = []
        self.known: dict[int, frozenset[CallKey]] = {}

        for inside in hierarchy.values():
            self.walk(inside, None, "")

    def edges(self, leaves: Collection[CallKey]) -> set[tuple[CallKey, CallKey]]:
        """(reads of, reader) between these leaf calls; everything else is looked through."""
        self.known.clear()
        found: set[tuple[CallKey, CallKey]] = set()
        for function in self.functions:
            here = self.inner[id(function)]
            if here in leaves:
                found |= {(before, here) for before in self.before(function, leaves) if before != here}  # type: ignore[misc]
        return found

    def walk(self, inside: list[Any], call: CallKey | None, owner: str) -> None:
        leaf = call if not any(isinstance(entry, dict) for entry in inside) else None
        for entry in inside:
            if isinstance(entry, dict):
                for node, nested in entry.items():
                    key = self.called(node, owner)
                    self.walk(nested, key, key[0])
            elif type(entry).__name__ == "FunctionNode":
                self.inner[id(entry)] = leaf
                self.functions.append(entry)

    def called(self, node: Any, owner: str) -> CallKey:
        path = self.paths.get(node.compute_unit_id)
        if path is None:  # named as the recorder names it
            path = f"{owner}.{node.name}" if owner else str(node.name)
        nth = self.counts.get(path, 0)
        self.counts[path] = nth + 1
        self.calls.append((path, nth))
        return path, nth

    def before(self, function: Any, leaves: Collection[CallKey]) -> frozenset[CallKey]:
        """The leaf calls whose results a function reads, through functions outside of leaves."""
        if id(function) not in self.known:
            self.known[id(function)] = frozenset()  # guards against cycles
            found: frozenset[CallKey] = frozenset()
            for maker in makers(function):
                inner = self.inner.get(id(maker))
                found |= {inner} if inner is not None and inner in leaves else self.before(maker, leaves)
            self.known[id(function)] = found
        return self.known[id(function)]


def makers(function: Any) -> list[Any]:
    """The function nodes that made what this one reads; torchview's stand-ins at module borders are looked through."""
    found = []
    parents = function.parents
    for tensor in parents if hasattr(parents, "__iter__") else [parents]:
        main = getattr(tensor, "main_node", tensor)
        above = main.parents
        found += [node for node in (above if hasattr(above, "__iter__") else [above]) if type(node).__name__ == "FunctionNode"]
    return found


def leaf_calls(graph: Graph) -> dict[int, CallKey]:
    """Calls without calls of their own in which some operation ran (an Identity leaves no trace), by id."""
    parents = {call.parent for call in graph.calls}
    working = {node.call for node in graph.nodes if node.kind == "op"}
    return {call.id: (call.module, call.nth) for call in graph.calls if call.id not in parents and call.id in working}


def our_edges(graph: Graph, keys: Mapping[int, CallKey], writes: bool = True) -> set[tuple[CallKey, CallKey]]:
    """Edges between these leaf calls in our graph.

    Args:
        graph: ours.
        keys: the leaf calls, by id.
        writes: False: as if ``x[i] = y`` and ``x.index_add_(0, i, y)`` brought nothing of ``y`` into ``x``.
    """
    origin: list[frozenset[CallKey]] = []
    edges: set[tuple[CallKey, CallKey]] = set()
    for node in graph.nodes:
        read = node.inputs if writes or not node.inplace else node.inputs[:1]
        before = frozenset().union(*(origin[i] for i in read if i < len(origin)))
        here = keys.get(node.call) if node.call is not None and node.kind == "op" else None
        if here is not None:
            edges |= {(call, here) for call in before if call != here}
        origin.append(frozenset({here}) if here is not None else before)
    return edges


def compare(reading: Reading, graph: Graph) -> Witness:
    """Do both recordings tell the same?"""
    ours = [(call.module, call.nth) for call in graph.calls]
    found = Witness(name="torchview", state="agrees", calls=len(reading.calls))
    missed, extra = sorted(set(ours) - set(reading.calls)), sorted(set(reading.calls) - set(ours))
    leaves = {call: key for call, key in leaf_calls(graph).items() if key not in missed}
    own, theirs = our_edges(graph, leaves), reading.edges(set(leaves.values()))
    written = f"; {len(own - theirs)} more edges are values written into another tensor, which torchview does not follow"
    if own != theirs and theirs == our_edges(graph, leaves, writes=False):
        own = theirs
    else:
        written = ""
    parts = [f"torchview did not see {shown(missed)}"] if missed else []
    parts += [f"torchview alone saw {shown(extra)}"] if extra else []
    parts += [f"{len(own - theirs)} edges are in ours alone ({arrows(own - theirs)})"] if own - theirs else []
    parts += [f"{len(theirs - own)} edges are in torchview's alone ({arrows(theirs - own)})"] if theirs - own else []
    same = f"the same {len(ours) - len(missed)} module calls and {len(own & theirs)} edges between leaf modules"
    if parts:
        found.state = "differs"
    found.detail = "; ".join([*parts, same]) + written
    return found


def shown(calls: list[CallKey]) -> str:
    names = ", ".join(path or "the model" for path, _ in calls[:SHOWN])
    return f"{names} and {len(calls) - SHOWN} more calls" if len(calls) > SHOWN else names


def arrows(edges: set[tuple[CallKey, CallKey]]) -> str:
    return ", ".join(f"{a} → {b}" for (a, _), (b, _) in sorted(edges)[:SHOWN])
