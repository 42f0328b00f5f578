"""The first operation that made NaN or Inf, with its module, the user's line and its inputs' ranges.

A step whose loss or gradient is not finite is run again from the same weights and random state, and every operation is looked at.
From the loss one walks back over non-finite values to the operation whose inputs were finite: an Inf that came and went (a mask
of -inf before a softmax, ``log(0)`` where the result was multiplied away) is on no such way.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nnreport.facts import Location, NonFinite, Range
from nnreport.inspector.blame import user_location
from nnreport.inspector.training.lossview import plain_name
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.training.watch import calling_module
from nnreport.inspector.weighing.statistics import range_of

MOST_INPUTS = 4
MASKING = frozenset(
    (
        "masked_fill",
        "full",
        "full_like",
        "new_full",
        "fill",
        "tensor",
        "where",
        "triu",
        "tril",
        "setitem",
        "zeros",
        "empty",
        "copy",
    )
)
"""Operations that write constants: an Inf of theirs was meant."""


@dataclass
class Made:
    """A non-finite value and how it came to be."""

    operation: str
    nan: bool
    module: str = ""
    location: Location | None = None
    inputs: list[Range] = field(default_factory=list)
    output: Range | None = None
    sources: list[Made] = field(default_factory=list)
    """Non-finite inputs."""
    meant: bool = False
    """An Inf that the author wrote."""
    leaf: bool = False
    """No operation made it: it was there before (a parameter, an input)."""
    phase: str = "forward"


@dataclass
class Ran:
    """An operation whose output has a gradient, for the backward pass."""

    operation: str
    module: str
    location: Location | None
    inputs: list[Tensor]
    phase: str


class Recorder(TorchFunctionMode):
    """Looks at the result of every torch function; remembers the non-finite ones and, on demand, all that have a gradient."""

    def __init__(self, model: nn.Module, backward: bool = False) -> None:
        super().__init__()
        self.paths = {id(m): path for path, m in model.named_modules()}
        self.made: dict[int, Made] = {}
        self.checked: set[int] = set()
        self.kept: list[Any] = []  # alive, so that an id stays one tensor's
        self.backward = backward
        self.ran: dict[Any, Ran] = {}
        self.phase = "forward"

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = [t for _, t in named_tensors((args, kwargs)) if floating(t)]
        sources = [made for made in (self.status(t) for t in inputs) if made is not None]
        name = plain_name(func)
        before: list[Range] = []
        changes = getattr(func, "__name__", "").endswith("_") or name == "setitem" or "out" in kwargs
        if changes:
            before = [r for r in (range_of(t) for t in inputs[:MOST_INPUTS]) if r is not None]
        result = func(*args, **kwargs)
        if name in ("get", "grad", "requires_grad", "is_leaf"):  # attributes
            return result
        outputs = [t for _, t in named_tensors(result) if floating(t)]
        if changes and inputs and result is not inputs[0]:
            outputs.append(inputs[0])
        for output in outputs:
            self.look(name, output, inputs, sources, before, args, kwargs)
        return result

    def look(
        self, name: str, output: Tensor, inputs: list[Tensor], sources: list[Made], before: list[Range], args: Any, kwargs: Any
    ) -> None:
        """Records one result."""
        self.kept.append(output)
        self.checked.add(id(output))
        finite = bool(torch.isfinite(output.detach()).all())
        if finite:
            self.made.pop(id(output), None)
        needs_graph = self.backward and output.requires_grad and output.grad_fn is not None
        if finite and not needs_graph:
            return
        frame = sys._getframe(2)
        owner = calling_module(frame, self.paths)
        module = "" if owner is None else self.paths[id(owner)]
        if needs_graph:
            self.ran.setdefault(
                output.grad_fn, Ran(name, module, user_location(frame), [t.detach() for t in inputs[:MOST_INPUTS]], self.phase)
            )
        if finite:
            return
        nan = bool(output.detach().isnan().any())
        ranges = before or [r for r in (range_of(t) for t in inputs[:MOST_INPUTS] if t is not output) if r is not None]
        meant = not nan and (all(s.meant for s in sources) if sources else name in MASKING or literal_infinity((args, kwargs)))
        self.made[id(output)] = Made(
            name, nan, module, user_location(frame), ranges, range_of(output), sources, meant, phase=self.phase
        )  # fmt: skip

    def status(self, tensor: Tensor) -> Made | None:
        """How a tensor's non-finite values came to be; None for a finite one. One that no operation made is looked at now."""
        if id(tensor) not in self.checked:
            self.kept.append(tensor)
            self.checked.add(id(tensor))
            values = tensor.detach()
            if not bool(torch.isfinite(values).all()):
                nan = bool(values.isnan().any())
                opaque = tensor.grad_fn is not None
                operation = tensor.grad_fn.name().partition("Backward")[0] if opaque else "input"  # type: ignore[union-attr]
                frame = sys._getframe(2)
                owner = calling_module(frame, self.paths) if opaque else None
                self.made[id(tensor)] = Made(
                    operation, nan, "" if owner is None else self.paths[id(owner)], user_location(frame) if opaque else None, [],
                    range_of(tensor), [], meant=not nan and not opaque, leaf=not opaque, phase=self.phase,
                )  # fmt: skip
        return self.made.get(id(tensor))


def floating(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.layout == torch.strided and not tensor.is_quantized


def literal_infinity(values: Any) -> bool:
    """An infinite number is written among the arguments."""
    if isinstance(values, (tuple, list)):
        return any(literal_infinity(v) for v in values)
    if isinstance(values, dict):
        return any(literal_infinity(v) for v in values.values())
    return isinstance(values, float) and values in (float("inf"), float("-inf"))


def origin(made: Made) -> Made:
    """Back from a non-finite value to the operation that made the first of its kind.

    A NaN came of a NaN if there is one among the inputs; else of an Inf that nobody meant; else here (inf - inf, a softmax over a
    row that is masked whole).
    """
    for _ in range(100_000):
        sources = [s for s in made.sources if s.nan] if made.nan else made.sources
        if not sources:
            sources = [s for s in made.sources if not s.meant]
        if not sources:
            return made
        made = sources[0]
    return made


def find(model: nn.Module, task: Any, batch: Any, step: int, gradient: bool) -> NonFinite:
    """Runs the step again and names the first operation that made NaN or Inf.

    Args:
        model: the copy, with the weights it had when the step began; random states have been put back.
        task: of it.
        batch: the fixed one.
        step: its number.
        gradient: the loss was finite and the gradient was not.
    """
    broken = broken_parameter(model)
    if broken and step > 0:
        return NonFinite(step=step - 1, phase="update", parameter=broken, module=broken.rpartition(".")[0], operation="update")
    recorder = Recorder(model, backward=gradient)
    model.zero_grad(set_to_none=True)
    try:
        with recorder:
            output = task.forward(model, batch)
            recorder.phase = "loss"
            loss = task.objective(output, batch)
    except Exception:
        return NonFinite(step=step, phase="backward" if gradient else "loss")
    if gradient:
        return backward_origin(model, recorder, loss, step)
    made = recorder.status(loss)
    if made is None:
        return NonFinite(step=step, phase="loss")
    first = origin(made)
    parameter = broken if first.leaf and broken else ""
    phase: Any = "loss" if first.phase == "loss" else "forward"
    return NonFinite(
        step=step, phase=phase, module=first.module, operation=first.operation, location=first.location, inputs=first.inputs,
        output=first.output, parameter=parameter,
    )  # fmt: skip


def broken_parameter(model: nn.Module) -> str:
    """Name of the first parameter that holds NaN or Inf; ``""`` if none does."""
    for name, parameter in model.named_parameters():
        if floating(parameter) and not bool(torch.isfinite(parameter.detach()).all()):
            return name
    return ""


def backward_origin(model: nn.Module, recorder: Recorder, loss: Tensor, step: int) -> NonFinite:
    """The first node of the autograd graph that was given finite gradients and gave non-finite ones.

    Nodes inside a composite function (the norm in ``F.normalize``) belong to the recorded operation that they were reached from.
    """
    names = {id(p): n for n, p in model.named_parameters()}
    hits: list[tuple[Ran | None, str, list[Tensor]]] = []
    parameters: list[str] = []
    handles = []

    def watch(node: Any, ran: Ran | None) -> None:
        def seen(given: Any, received: Any) -> None:
            if not hits and bad(given) and not bad(received):
                hits.append((ran, node.name(), [g for g in received if g is not None]))

        handles.append(node.register_hook(seen))

    owners: list[tuple[Any, Ran | None]] = [(loss.grad_fn, None)]
    known: set[Any] = set()
    while owners:
        node, ran = owners.pop()
        if node is None or node in known:
            continue
        known.add(node)
        ran = recorder.ran.get(node, ran)
        variable = getattr(node, "variable", None)
        if variable is not None:
            name = names.get(id(variable), "")
            handles.append(
                node.register_prehook(lambda given, name=name: parameters.append(name) if bad(given) and name else None)
            )
            continue
        watch(node, ran)
        owners.extend((following, ran) for following, _ in node.next_functions)
    try:
        loss.backward()
    except Exception:
        return NonFinite(step=step, phase="backward")
    finally:
        for handle in handles:
            handle.remove()
    parameter = parameters[0] if parameters else ""
    if not hits:
        return NonFinite(step=step, phase="backward", parameter=parameter, module=parameter.rpartition(".")[0])
    ran, node_name, _ = hits[0]
    if ran is None:
        return NonFinite(step=step, phase="backward", operation=node_name.partition("Backward")[0].lower(), parameter=parameter)
    ranges = [r for r in (range_of(t) for t in ran.inputs) if r is not None]
    return NonFinite(
        step=step,
        phase="backward",
        module=ran.module,
        operation=ran.operation,
        location=ran.location,
        inputs=ranges,
        parameter=parameter,
    )


def bad(gradients: Any) -> bool:
    """One of them is not finite."""
    return any(g is not None and floating(g) and not bool(torch.isfinite(g).all()) for g in gradients)
