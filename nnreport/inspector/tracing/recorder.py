"""Records one forward: which modules were called, which operations ran, which tensor came from where.

Three observers at once, none of which leaves a trace on the model:

* global module hooks (``torch.nn.modules.module``), so that modules which are registered nowhere are seen too;
* a ``TorchFunctionMode``: operations as the user wrote them, before torch takes them apart;
* a :class:`~nnreport.inspector.tracing.flops.FlopMode` below, for what each of them cost.

Tensors are known by ``id`` and kept alive until the recorder goes, else ids would be reused. An operation that changes a tensor
in place is found by the tensor's version counter, and becomes the tensor's new origin.

No error of ours reaches the user's forward: every handler is guarded, and the first such error is kept in :attr:`Recorder.fault`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from nnreport.facts import Call, Node, TensorInfo
from nnreport.inspector.locate import Caller
from nnreport.inspector.tracing.aliases import Writers, version
from nnreport.inspector.tracing.flops import FlopMode
from nnreport.inspector.tracing.kinds import (
    COMPARISONS,
    VALUE_FREE,
    Kind,
    Kinds,
    calling_keywords,
    in_chain,
    in_custom_function,
    is_in_place,
    unwrapped,
)
from nnreport.inspector.tracing.names import SYNCS, ZERO_GRADIENT, literals
from nnreport.inspector.tracing.structure import flat_tensors, named_tensors, tensor_info
from nnreport.inspector.tracing.values import Sampler

LIMIT = 20_000
"""Operations kept; the rest is counted."""
TENSORS = 16
"""Tensors listed of one call's inputs or outputs, and results of one operation that are sampled."""


class Known(NamedTuple):
    """A tensor that was seen, and the node it came from."""

    tensor: Tensor
    node: int
    version: int
    row: int
    """Its sample, -1 for none."""


class Pending(NamedTuple):
    """An operation that is about to run."""

    tensors: list[Tensor]
    versions: list[int]
    known: list[Known | None]
    needs_gradient: bool
    frame: FrameType
    flops: int
    missed: int
    sequence: int
    """Number of the next autograd node."""


class Opened(NamedTuple):
    """A module call that is running."""

    call: Call
    module: nn.Module
    flops: int


class Raised(NamedTuple):
    """Where an exception passed first."""

    error: BaseException
    call: Call | None
    operation: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]


class Recorder:
    """Records one forward.

    Args:
        paths: ``id(module) -> path`` of the modules that are known by name, registered or not.
        registered: ids of those that the model's tree holds.
        names: ``id(tensor) -> name`` of parameters and buffers.
        holders: ``id(tensor) -> owner.attribute`` of plain tensor attributes.
        sampler: takes samples of all tensors; None for none.
        flops: counts FLOPs; None where they are not asked for.
        locate: find the user's lines (not needed in a second recording of the same forward).
        limit: operations kept.
    """

    def __init__(
        self,
        paths: Mapping[int, str],
        registered: Collection[int],
        names: Mapping[int, str],
        holders: Mapping[int, str],
        sampler: Sampler | None = None,
        flops: FlopMode | None = None,
        locate: bool = True,
        limit: int = LIMIT,
    ) -> None:
        self.paths = dict(paths)
        self.registered = registered
        self.names = names
        self.holders = holders
        self.sampler = sampler
        self.flops = flops
        self.locate = locate
        self.limit = limit
        self.nodes: list[Node] = []
        self.calls: list[Call] = []
        self.syncs: list[Node] = []
        self.truncated = 0
        self.activation_size = 0
        self.counts: dict[str, int] = {}
        """Module path -> calls so far."""
        self.unregistered: dict[str, nn.Module] = {}
        """Modules that were called under a path of our making."""
        self.read: set[int] = set()
        """Ids of the parameters, buffers and plain tensor attributes that some operation read."""
        self.marks: list[tuple[int, int]] = []
        """(autograd sequence number, innermost call from there on), ascending."""
        self.spans: list[tuple[int, int]] = []
        """(autograd sequence number at its start, node id), ascending: which operation made an autograd node."""
        self.soft_cuts: set[int] = set()
        """Comparisons whose input had a gradient, and operations inside custom autograd functions."""
        self.raised: Raised | None = None
        self.fault: BaseException | None = None
        self.known: dict[int, Known] = {}
        self.given: set[int] = set()
        """Ids of the inputs."""
        self.left: dict[int, list[int]] = {}
        """Call -> nodes whose values went to NumPy in it."""
        self.loose: dict[int, tuple[Tensor, int]] = {}
        """Unregistered parameters -> (the tensor, the node that read it first)."""
        self.rows: list[tuple[list[int], int]] = []
        """Per node: samples of its inputs, sample of its output."""
        self.writers = Writers()
        self.stack: list[Opened] = []
        self.operations = True
        self.kinds = Kinds()
        self.kept: list[nn.Module] = []
        """Modules made in forward, kept so that their ids stay theirs."""
        self.thread = threading.get_ident()
        self.caller = Caller(Recorder.run.__code__)

    # ---------------------------------------------------------------------------------------------------------- running

    def run(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], operations: bool = True) -> Any:
        """``model(*args, **kwargs)`` with everything recorded, or (``operations=False``) the module calls alone.

        The model's exceptions pass through.
        """
        self.operations = operations
        with ExitStack() as stack:
            stack.callback(register_module_forward_pre_hook(self.enter).remove)
            stack.callback(register_module_forward_hook(self.leave, with_kwargs=True, always_call=True).remove)
            if self.flops is not None:
                stack.enter_context(self.flops)
            if operations:
                stack.enter_context(FunctionMode(self))
            return model(*args, **kwargs)

    def add_input(self, name: str, tensor: Tensor) -> None:
        """An input of the model, before it runs."""
        self.given.add(id(tensor))
        node = self.new_node("input", name, [], [tensor], None)
        self.remember([tensor], node)

    def add_output(self, name: str, tensor: Tensor) -> None:
        """An output of the model, after it ran."""
        node = self.new_node("output", name, [tensor], [], None)
        self.rows[node.id] = (self.rows[node.id][0], -1)

    def finish(self) -> None:
        """After the forward: what turned out later, and the ranges."""
        latest = {known.node: known.tensor for known in self.known.values()}
        for node in self.nodes:
            tensor = latest.get(node.id)
            if tensor is not None and not node.differentiable and tensor.requires_grad and tensor.grad_fn is not None:
                node.differentiable, node.cut = True, False  # a custom autograd function attaches its gradient on the way out
        if self.sampler is None:
            return
        self.sampler.flush()
        for node, (inputs, output) in zip(self.nodes, self.rows, strict=True):
            node.input_ranges = [self.sampler.range(row) for row in inputs]
            node.output_range = self.sampler.range(output)
            node.spread = self.sampler.spread(output)

    def release(self) -> None:
        """Lets go of the tensors; the records stay."""
        self.known.clear()
        self.loose.clear()
        self.raised = None

    def guard(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Our own code, whose errors are ours to keep."""
        try:
            return work(*arguments)
        except Exception as error:
            self.fault = self.fault or error
            return None

    # ------------------------------------------------------------------------------------------------------ module calls

    def enter(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        frame = sys._getframe(1)
        with torch._C.DisableTorchFunction():
            self.guard(self.open_call, module, args, frame)

    def leave(self, module: nn.Module, args: tuple[Any, ...], *rest: Any) -> None:
        with torch._C.DisableTorchFunction():
            self.guard(self.close_call, module, args, rest)

    def open_call(self, module: nn.Module, args: tuple[Any, ...], frame: FrameType) -> None:
        path = self.path_of(module)
        nth = self.counts.get(path, 0)
        self.counts[path] = nth + 1
        if threading.get_ident() != self.thread or len(self.calls) >= self.limit:
            return
        call = Call(
            id=len(self.calls),
            module=path,
            parent=self.stack[-1].call.id if self.stack else None,
            nth=nth,
            inputs=infos(args),
            location=self.caller.find(frame) if self.locate else None,
        )
        self.calls.append(call)
        self.stack.append(Opened(call, module, self.flops.total if self.flops else 0))
        self.mark(call.id)

    def close_call(self, module: nn.Module, args: tuple[Any, ...], rest: tuple[Any, ...]) -> None:
        if threading.get_ident() != self.thread or not any(opened.module is module for opened in self.stack):
            return
        while self.stack:
            opened = self.stack.pop()
            opened.call.flops = self.flops.total - opened.flops if self.flops else 0
            if opened.module is module:
                break
            opened.call.failed = True
        call = opened.call
        if len(rest) == 2:
            kwargs, result = rest
            if kwargs:
                call.inputs = infos([args, kwargs])
            tensors = [tensor for _, tensor in named_tensors(result)]
            call.outputs = [tensor_info(tensor) for tensor in tensors[:TENSORS]]
            if self.operations:
                self.adopt(module, tensors, [args, kwargs], call)
        else:  # the forward raised
            call.failed = True
            error = sys.exc_info()[1]
            kwargs = calling_keywords(module)
            if kwargs:
                call.inputs = infos([args, kwargs])
            if error is not None and (self.raised is None or not in_chain(self.raised.error, error)):
                self.raised = Raised(error, call, "", args, kwargs)
        self.mark(self.stack[-1].call.id if self.stack else 0)

    def mark(self, call: int) -> None:
        self.marks.append((torch.autograd._get_sequence_nr(), call))

    def path_of(self, module: nn.Module) -> str:
        path = self.paths.get(id(module))
        if path is None:
            owner = self.stack[-1].call.module if self.stack else ""
            path = f"{owner}.{type(module).__name__}" if owner else type(module).__name__
            self.paths[id(module)] = path
            self.kept.append(module)
        if id(module) not in self.registered:
            self.unregistered.setdefault(path, module)
        return path

    def adopt(self, module: nn.Module, tensors: list[Tensor], given: Any, call: Call) -> None:
        """Results that no recorded operation made (a ScriptModule's, another thread's): one node for the whole module."""
        if torch._C._are_functorch_transforms_active():
            return
        strangers = [t for t in tensors if id(t) not in self.known and id(t) not in self.names and id(t) not in self.holders]
        if not strangers or len(self.nodes) >= self.limit:
            return
        read = [tensor for _, tensor in named_tensors(given)]
        if any(t is s for t in read for s in strangers):
            return
        node = self.new_node("op", type(module).__name__, read, strangers, call)
        node.location = call.location
        node.flops = call.flops
        node.parameters = [self.names[id(p)] for p in module.parameters() if id(p) in self.names]
        self.remember(strangers, node)

    # -------------------------------------------------------------------------------------------------------- operations

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Pending:
        tensors: list[Tensor] = []
        flat_tensors(args, tensors)
        if kwargs:
            flat_tensors(kwargs, tensors)
        if torch._C._are_functorch_transforms_active():
            tensors = [unwrapped(tensor) for tensor in tensors]
        flops = self.flops
        return Pending(
            tensors=tensors,
            versions=[version(tensor) for tensor in tensors],
            known=[self.known.get(id(tensor)) for tensor in tensors],
            needs_gradient=any(tensor.requires_grad for tensor in tensors),
            frame=sys._getframe(3),
            flops=flops.total if flops else 0,
            missed=flops.missed if flops else 0,
            sequence=torch.autograd._get_sequence_nr(),
        )

    def after(self, kind: Kind, function: Any, pending: Pending, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        made: list[Tensor] = []
        flat_tensors(out, made)
        if torch._C._are_functorch_transforms_active():
            made = [unwrapped(tensor) for tensor in made]
        changed = [tensor for tensor, old in zip(pending.tensors, pending.versions, strict=True) if version(tensor) != old]
        if not changed and pending.versions[:1] == [-1] and is_in_place(kind.raw, kwargs):
            changed = pending.tensors[:1]  # inference mode counts no versions: the name has to tell
        if kind.name.endswith(("batch_norm", "instance_norm")):  # their running statistics are no results
            changed = [tensor for tensor in changed if id(tensor) not in self.names]
        if kind.raw in SYNCS and pending.tensors:
            self.add_sync(kind, pending)
        if not made and not changed:
            return
        given = {id(tensor) for tensor in pending.tensors}
        if not changed and "dropout" not in kind.name and all(id(tensor) in given for tensor in made):
            return  # it had nothing to do: x.float() of a float32
        if len(self.nodes) >= self.limit:
            self.truncated += 1
            return
        results = list({id(tensor): tensor for tensor in [*made, *changed]}.values())
        node = self.new_node("op", kind.name, pending.tensors, results, self.stack[-1].call if self.stack else None, pending)
        node.attributes = literals(function, kind.name, kind.raw, args, kwargs, kind.backwards)
        node.inplace = bool(changed)
        self.gradient_flags(node, kind, pending, results)
        if self.locate:
            node.location = self.caller.find(pending.frame)
        if self.flops is not None:
            node.flops = self.flops.total - pending.flops
            node.uncounted = self.flops.missed > pending.missed
        self.remember(results, node)
        for tensor in changed:
            self.writers.wrote(tensor, node.id)
        self.activation_size += sum(t.numel() * t.element_size() for t in made if id(t) not in given and not t._is_view())

    def gradient_flags(self, node: Node, kind: Kind, pending: Pending, results: list[Tensor]) -> None:
        node.differentiable = any(tensor.requires_grad for tensor in results)
        self.spans.append((pending.sequence, node.id))
        if not pending.needs_gradient or kind.name.endswith(VALUE_FREE[0]) or kind.name.startswith(VALUE_FREE[1]):
            return
        if kind.name in COMPARISONS:
            self.soft_cuts.add(node.id)
        elif kind.name in ZERO_GRADIENT or not node.differentiable:
            node.cut = not in_custom_function(pending.frame)
            if not node.cut:
                self.soft_cuts.add(node.id)

    def add_sync(self, kind: Kind, pending: Pending) -> None:
        """A value leaves torch. It stands among the nodes as well where a gradient is lost by it."""
        if len(self.syncs) >= self.limit:
            return
        call = self.stack[-1].call if self.stack else None
        lost = pending.needs_gradient and kind.raw != "cpu" and len(self.nodes) < self.limit
        if lost:
            node = self.new_node("op", SYNCS[kind.raw], pending.tensors[:1], [], call, pending)
            node.cut = True
        else:
            node = Node(id=-1 - len(self.syncs), kind="op", name=SYNCS[kind.raw])
            node.call = call.id if call else None
            node.module = call.module if call else ""
            node.inputs = [known.node for known in pending.known[:1] if known is not None]
            node.reads = [tensor_info(tensor) for tensor in pending.tensors[: len(node.inputs)]]
        node.location = self.caller.find(pending.frame) if self.locate else None
        self.syncs.append(node)
        if node.name == "numpy" and node.inputs and node.call is not None:
            self.left.setdefault(node.call, []).append(node.inputs[0])

    def failed(
        self,
        kind: Kind,
        function: Any,
        pending: Pending | None,
        error: BaseException,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if self.raised is None or self.raised.error is not error:
            call = self.stack[-1].call if self.stack else None
            self.raised = Raised(error, call, kind.name, args, kwargs)
            self.add_failed(kind, function, pending, args, kwargs, call)

    def add_failed(
        self, kind: Kind, function: Any, pending: Pending | None, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call | None
    ) -> None:
        """The operation that raised ends the picture: a node without outputs."""
        if pending is None or not pending.tensors or len(self.nodes) >= self.limit:
            return
        node = self.new_node("op", kind.name, pending.tensors, [], call, pending)
        node.attributes = literals(function, kind.name, kind.raw, args, kwargs, kind.backwards)
        node.location = self.caller.find(pending.frame) if self.locate else None

    # ------------------------------------------------------------------------------------------------------------- nodes

    def new_node(
        self, kind: Any, name: str, read: list[Tensor], made: list[Tensor], call: Call | None, pending: Pending | None = None
    ) -> Node:
        """A node that reads and makes these tensors. Constants that it reads get nodes of their own first."""
        sources: list[tuple[int, Tensor, int]] = []
        parameters: list[str] = []
        loose: list[Tensor] = []
        for i, tensor in enumerate(read):
            known = pending.known[i] if pending else self.known.get(id(tensor))
            parameter = self.names.get(id(tensor))
            if parameter is not None or id(tensor) in self.holders:
                self.read.add(id(tensor))
            if parameter is None and tensor.requires_grad and tensor.is_leaf and id(tensor) not in self.given:
                parameter = "?"
                self.read.add(id(tensor))
                loose.append(tensor)
            if parameter is not None and parameter not in parameters:
                parameters.append(parameter)
            if known is None and parameter is None:
                known = self.add_constant(tensor, call)
            if known is None:
                continue
            changed_at = self.writers.last(tensor, known.node)
            if changed_at is not None:
                known = Known(tensor, changed_at, -1, -1)
            before = pending.versions[i] if pending else version(tensor)
            row = known.row if known.version == before else self.sample(tensor) if pending is None else -1
            sources.append((known.node, tensor, row))
        node = Node(id=len(self.nodes), kind=kind, name=name, parameters=parameters)
        if call is not None:
            node.call, node.module = call.id, call.module
        node.inputs = [source for source, _, _ in sources]
        node.reads = [tensor_info(tensor) for _, tensor, _ in sources]
        node.outputs = [tensor_info(tensor) for tensor in made]
        node.differentiable = any(tensor.requires_grad for tensor in made)
        for tensor in loose:
            self.loose.setdefault(id(tensor), (tensor, node.id))
        self.nodes.append(node)
        self.rows.append(([row for _, _, row in sources], -1))
        return node

    def add_constant(self, tensor: Tensor, call: Call | None) -> Known:
        """A tensor that no recorded operation made: an attribute, a global, something out of NumPy."""
        name = self.holders.get(id(tensor), "")
        node = Node(id=len(self.nodes), kind="constant", name=name, outputs=[tensor_info(tensor)])
        came_from = [] if name or tensor.requires_grad else self.left_here()
        if came_from:  # out of NumPy, into which a value went in this very call: torch sees no more of that way
            node.kind, node.name, node.inputs = "op", "from_numpy", list(came_from)
            node.reads = [info for i in came_from for info in self.nodes[i].outputs[:1]]
        if call is not None:
            node.call, node.module = call.id, call.module
        node.differentiable = tensor.requires_grad
        self.nodes.append(node)
        self.rows.append(([-1] * len(node.inputs), -1))
        self.remember([tensor], node)
        return self.known[id(tensor)]

    def left_here(self) -> list[int]:
        """Nodes whose values went to NumPy in the innermost running call in which any did."""
        return next((self.left[opened.call.id] for opened in reversed(self.stack) if opened.call.id in self.left), [])

    def remember(self, tensors: list[Tensor], node: Node) -> None:
        """These tensors come from this node from now on."""
        for i, tensor in enumerate(tensors):
            row = self.sample(tensor) if i < TENSORS and "empty" not in node.name else -1
            if i == 0:
                self.rows[node.id] = (self.rows[node.id][0], row)
            self.known[id(tensor)] = Known(tensor, node.id, version(tensor), row)

    def sample(self, tensor: Tensor) -> int:
        return self.sampler.take(tensor) if self.sampler is not None else -1


class FunctionMode(TorchFunctionMode):
    """Shows the recorder every torch function that the user's code calls."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        recorder = self.recorder
        kind = recorder.guard(recorder.kinds.of, func)
        if kind is None or kind.ignored:
            return func(*args, **kwargs)
        pending = recorder.guard(recorder.before, args, kwargs)
        try:
            out = func(*args, **kwargs)
        except BaseException as error:
            recorder.guard(recorder.failed, kind, func, pending, error, args, kwargs)
            raise
        if pending is not None:
            recorder.guard(recorder.after, kind, func, pending, args, kwargs, out)
        return out


def infos(value: Any) -> list[TensorInfo]:
    if type(value) is tuple and len(value) == 1 and isinstance(value[0], Tensor):
        return [tensor_info(value[0])]
    return [tensor_info(tensor) for _, tensor in named_tensors(value)[:TENSORS]]
