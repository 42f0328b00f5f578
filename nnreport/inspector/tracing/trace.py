"""The recorded forward of a model: one graph of module calls and operations, and what a gradient reaches in it.

Everything runs on copies, in this order:

1. *as given*: eval mode, the given input; calls, operations, shapes, FLOPs, the user's lines; then one backward for what it
   reaches;
2. *values*: a fresh copy, BatchNorm statistics calibrated where they are still those of the constructor, a widened batch where
   the given one is small; ranges, spread between samples, gradients at the inputs;
3. *train mode*: which modules are called then (auxiliary heads), and whether parameters that got no gradient get one there;
4. *the witness*: torchview's recording held against ours.

What is decided by cost is decided by FLOPs, not by the clock, so that two runs find the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnreport.facts import Failure, Graph, Node, Reach, Tree, Witness
from nnreport.inspector.clone import clone
from nnreport.inspector.feeding.nested import tensors
from nnreport.inspector.preserve import preserved
from nnreport.inspector.tracing.called import fill_tree, refresh_tree
from nnreport.inspector.tracing.cuts import find_cuts
from nnreport.inspector.tracing.failure import backward_failure, forward_failure, no_gradient_failure
from nnreport.inspector.tracing.flops import FlopMode
from nnreport.inspector.tracing.reach import Backward, reach_of
from nnreport.inspector.tracing.recording import Names, Recording, names_of, record
from nnreport.inspector.tracing.strays import uninitialised
from nnreport.inspector.tracing.structure import describe
from nnreport.inspector.tracing.values import Sampler

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample

SAMPLES = 4
"""A given batch of at least this many is not widened: enough to see how samples differ."""
WIDTHS = ((8, 1e10, 5e8), (4, 2e10, 1e9), (2, 4e10, 1e9))
"""(batch, FLOPs and bytes of activations up to which the second forward may take it), the first that fits."""
CALIBRATION = 2
"""Batches that fresh BatchNorm statistics are calibrated on."""
TRAIN_BATCHES = 3
"""Train-mode batches looked at for parameters without gradient: a router need not choose every expert on one."""


@dataclass
class Traced:
    """What the trace found.

    Attributes:
        graph: the forward; ``complete`` is False where it raised.
        reach: None where the forward raised, or nothing is trainable.
        failures: of the user's forward or backward.
        notes: what the reader should know about how this was got.
    """

    graph: Graph
    reach: Reach | None = None
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def trace(model: nn.Module, sample: Sample, tree: Tree, seed: int) -> Traced:
    """Records ``model`` on ``sample``. Works on copies; fills in ``tree`` what only a run can tell (calls, strays in use).

    Raises :class:`~nnreport.inspector.clone.CloneError` where the model cannot be copied.
    """
    device = next((tensor.device for _, tensor in tensors((sample.args, sample.kwargs))), torch.device("cpu"))
    with preserved(seed, device):
        return Tracer(model, sample, tree, seed).run()


class Tracer:
    """One trace; see the module's text for its steps."""

    def __init__(self, model: nn.Module, sample: Sample, tree: Tree, seed: int) -> None:
        self.model = model
        self.sample = sample
        self.tree = tree
        self.seed = seed
        self.traced = Traced(Graph(batch=sample.batch))
        self.refreshed = False
        """The tree has the shapes of lazy parameters."""

    def run(self) -> Traced:
        copy = self.copied(train=False)
        first = self.as_given(copy)
        graph = self.traced.graph
        if first.error is not None:
            self.traced.failures.append(forward_failure(first.error, first.recorder, first.names.modules))
            fill_tree(self.tree, first, [])
            return self.traced
        backward = self.differentiate(copy, first)
        fill_tree(self.tree, first, backward.leaves)
        seconds, soft = first.seconds, first.recorder.soft_cuts
        first.recorder.release()
        del copy, first
        backward.leaves = []
        trainable = any(p.requires_grad for p in self.model.parameters())
        self.values(graph, backward)
        trained, train_backward = self.in_train_mode(backward, trainable)
        if trainable:
            self.traced.reach = self.reach(soft, backward, train_backward)
        graph.train_calls = trained
        for module in self.tree.modules:
            module.train_calls = trained.get(module.path, 0)
        graph.witness = self.witness(graph, seconds)
        return self.traced

    # ------------------------------------------------------------------------------------------------------- 1. as given

    def as_given(self, copy: nn.Module) -> Recording:
        """The forward as the user would run it, and the graph of it."""
        counter = FlopMode()
        first = record(copy, names_of(copy, self.tree), self.sample, self.seed, flops=counter)
        recorder, graph = first.recorder, self.traced.graph
        graph.calls, graph.nodes, graph.syncs = recorder.calls, recorder.nodes, recorder.syncs
        graph.complete = first.error is None
        graph.truncated = recorder.truncated
        graph.flops = counter.total
        graph.uncounted = sorted(counter.uncounted)
        graph.activation_size = recorder.activation_size
        graph.output = describe(first.output) if graph.complete else ""
        if recorder.truncated:
            kept = len(recorder.nodes)
            self.note(f"The graph holds the first {kept:,} operations; {recorder.truncated:,} more were counted and not kept.")
        self.note_fault(first)
        return first

    def copied(self, train: bool) -> nn.Module:
        """A fresh copy of the user's model in one mode, ready to be recorded."""
        with torch.no_grad():  # else a ScriptModule's copies hang on the user's own parameters
            copy = clone(self.model)
        trainable = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        for name, parameter in copy.named_parameters():
            if parameter.requires_grad != (name in trainable):
                parameter.requires_grad_(name in trainable)
        self.materialise(copy.eval())
        return copy.train(train)

    def materialise(self, copy: nn.Module) -> None:
        """A lazy module's first forward makes its parameters: that one is not recorded."""
        if any(uninitialised(tensor) for tensor in [*copy.parameters(), *copy.buffers()]):
            with torch.no_grad():
                record(copy, Names(), self.sample, self.seed, operations=False)
            if not self.refreshed:
                refresh_tree(self.tree, copy)
                self.refreshed = True

    def differentiate(self, copy: nn.Module, first: Recording) -> Backward:
        """One backward of what the first forward gave; FLOPs go to the calls that made them."""
        recorder = first.recorder
        own = [0] * len(recorder.calls)
        starts = [start for start, _ in recorder.marks]

        def count(flops: int) -> None:
            node = torch._C._current_autograd_node()
            at = bisect_right(starts, node._sequence_nr()) - 1 if node is not None else -1
            if 0 <= at < len(recorder.marks):
                own[recorder.marks[at][1]] += flops

        found = reach_of(copy, first.outputs, first.names.tensors, {}, self.seed, count)
        for call in reversed(recorder.calls):
            call.flops_backward += own[call.id]
            if call.parent is not None:
                recorder.calls[call.parent].flops_backward += call.flops_backward
        graph = self.traced.graph
        graph.flops_backward = found.flops
        graph.uncounted = sorted({*graph.uncounted, *found.uncounted})
        if found.error is not None:
            self.traced.failures.append(self.explain_backward(found, first))
        first.output = None
        return found

    def explain_backward(self, found: Backward, first: Recording) -> Failure:
        """Runs both passes once more, to see which operation's gradient raised."""
        copy = self.copied(train=False)
        again = record(copy, names_of(copy, self.tree), self.sample, self.seed)
        if again.error is None and same_operations(first.recorder.nodes, again.recorder.nodes):
            watched = reach_of(copy, again.outputs, again.names.tensors, {}, self.seed, watch=True)
            if watched.error is not None:
                return backward_failure(watched, again.recorder, again.names.modules)
        return backward_failure(found, first.recorder, first.names.modules)

    # --------------------------------------------------------------------------------------------------------- 2. values

    def values(self, graph: Graph, backward: Backward) -> None:
        """Ranges and spread from a second forward, and gradients at the inputs."""
        width = self.width(graph)
        for sample in (self.widened(width), self.sample):
            if sample is None:
                continue
            copy = self.copied(train=False)
            self.calibrate(copy, sample)
            if self.value_pass(copy, sample, graph, backward):
                return
        self.note("A second forward took another way through the model, so there are no value ranges.")

    def width(self, graph: Graph) -> int | None:
        """Batch of the second forward; None: as given."""
        batch = self.sample.batch
        if batch is None or batch >= SAMPLES or batch == 0:
            return None
        for width, flops, size in WIDTHS:
            if graph.flops / batch * width <= flops and graph.activation_size / batch * width <= size:
                return width
        return None

    def widened(self, width: int | None, seed: int = 0) -> Sample | None:
        if width is None:
            return None
        try:
            return self.sample.widened(width, self.seed + seed)
        except Exception:  # an input of the user's that cannot be drawn anew
            return None

    def value_pass(self, copy: nn.Module, sample: Sample, graph: Graph, backward: Backward) -> bool:
        """The second forward with the samples' ranges; False where it raised or ran other operations."""
        names = names_of(copy, self.tree)
        for gradients in (True, False):
            sampler = Sampler(sample.batch)
            second = record(copy, names, sample, self.seed, sampler=sampler, gradients=gradients, locate=False)
            if second.error is None and same_operations(graph.nodes, second.recorder.nodes):
                break
        else:
            return False
        for node, seen in zip(graph.nodes, second.recorder.nodes, strict=True):
            node.input_ranges, node.output_range, node.spread = seen.input_ranges, seen.output_range, seen.spread
        if backward.error is None and second.inputs:
            found = reach_of(copy, second.outputs, names.tensors, second.inputs, self.seed)
            if found.error is None and found.outputs:
                backward.inputs = found.inputs
                backward.zero = [name for name in backward.zero if name in found.zero]
        self.note_fault(second)
        return True

    def calibrate(self, copy: nn.Module, sample: Sample) -> None:
        """Gives fresh BatchNorm statistics values that fit the data: else eval outputs hardly differ between samples."""
        fresh: list[Any] = [module for module in copy.modules() if is_fresh_norm(module)]
        if not fresh or (sample.batch or 2) < 2:
            return
        momenta = [module.momentum for module in fresh]
        try:
            for module in fresh:
                module.momentum = None  # a plain average over the batches
                module.train()
            with torch.no_grad():
                for i in range(CALIBRATION):
                    batch = self.widened(sample.batch, i + 1) or sample
                    found = record(copy, Names(), batch, self.seed, operations=False)
                    if found.error is not None:
                        raise found.error  # mended below
        except Exception:
            for module in fresh:
                module.reset_running_stats()
        finally:
            for module, momentum in zip(fresh, momenta, strict=True):
                module.momentum = momentum
            copy.eval()

    # ----------------------------------------------------------------------------------------------------- 3. train mode

    def in_train_mode(self, backward: Backward, trainable: bool) -> tuple[dict[str, int], list[Backward]]:
        """(module path -> calls in a train-mode forward, what backwards in train mode reached). Failing is silent: a batch of one
        and BatchNorm do not go together, and the probe says what is wrong in training."""
        width = self.width(self.traced.graph)
        calls: dict[str, int] = {}
        found: list[Backward] = []
        none, zero = set(backward.none), set(backward.zero)
        copy = self.copied(train=True)
        names = names_of(copy, self.tree)
        for i in range(TRAIN_BATCHES):
            for sample in (self.widened(width, i), self.sample):
                if sample is not None:
                    recording = record(copy, names, sample, self.seed + i, operations=False)
                    if recording.error is None:
                        break
            if recording.error is not None:
                break
            for path, count in recording.recorder.counts.items():
                calls[path] = max(count, calls.get(path, 0))
            if not trainable or backward.error is not None or not (none or zero):
                break
            reached = reach_of(copy, recording.outputs, names.tensors, {}, self.seed)
            if reached.error is not None:
                break
            found.append(reached)
            none &= set(reached.none)
            zero = set()  # one more batch is enough for those
        return calls, found

    def reach(self, soft: Collection[int], backward: Backward, trained: Sequence[Backward]) -> Reach:
        """What is without gradient in eval *and* in train mode, and where it was cut off."""
        none, zero = set(backward.none), set(backward.zero)
        for other in trained:
            zero = (zero & (set(other.zero) | set(other.none))) | (none & set(other.zero))
            none &= set(other.none)
        reach = Reach(
            none=[name for name in backward.none if name in none],
            zero=[name for name in [*backward.none, *backward.zero] if name in zero and name not in none],
            inputs=backward.inputs,
        )
        nodes = self.traced.graph.nodes
        left = {i for sync in self.traced.graph.syncs for i in sync.inputs}
        reach.cuts, reach.cut_parameters = find_cuts(nodes, soft, left, reach.none, reach.zero)
        outputs = backward.outputs or next((other.outputs for other in trained if other.outputs), [])
        if outputs:
            shown = ", ".join(name or "the output" for name in outputs[:4]) + (", …" if len(outputs) > 4 else "")
            reach.loss = f"a random projection of {shown}"
        elif backward.error is None:
            modules = dict(self.model.named_modules())
            self.traced.failures.append(no_gradient_failure(nodes, reach.cuts, modules))
        return reach

    # ---------------------------------------------------------------------------------------------------------- the rest

    def witness(self, graph: Graph, seconds: float) -> Witness:
        from nnreport.inspector.tracing.witness import witness

        return witness(self.model, self.sample, graph, self.tree, self.seed, seconds)

    def note(self, text: str) -> None:
        if text not in self.traced.notes:
            self.traced.notes.append(text)

    def note_fault(self, recording: Recording) -> None:
        fault = recording.recorder.fault
        if fault is not None:
            self.note(f"Part of the recording was lost to a fault of nnreport's own ({type(fault).__name__}: {fault}).")


def same_operations(first: Sequence[Node], second: Sequence[Node]) -> bool:
    """Do two recordings hold the same operations in the same order?"""
    return len(first) == len(second) and all(a.name == b.name and a.kind == b.kind for a, b in zip(first, second, strict=True))


def is_fresh_norm(module: nn.Module) -> bool:
    """A BatchNorm whose running statistics are still the constructor's."""
    return (
        isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.track_running_stats
        and module.running_mean is not None
        and module.num_batches_tracked is not None
        and not uninitialised(module.running_mean)
        and int(module.num_batches_tracked) == 0
    )
