"""What is kept of the first training steps: inputs, targets, and what the loss is, for the look at the model afterwards."""

from __future__ import annotations

import math
from typing import Any

from msgspec import structs
from torch import Tensor

from nnreport.facts import LossInfo, NonFinite, OutputInfo, TargetInfo
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.feeding.nested import map_tensors
from nnreport.inspector.training.losses import NOT_OUTPUT_TARGET
from nnreport.inspector.training.lossview import FAMILY, broadcast_size
from nnreport.inspector.training.outputinfo import describe_output
from nnreport.inspector.training.outputs import named_tensors, own_loss, prediction
from nnreport.inspector.training.targets import describe_target
from nnreport.inspector.watching.forwards import Forward, ModelWatch
from nnreport.inspector.watching.losses import LossCall

BATCHES = 8
"""Training batches that are kept."""
LARGEST = 64_000_000
"""Bytes of all that is kept."""
AGREEING = 3
"""Steps, all of the first, in which every label was the model's own first choice, for it to be more than chance."""
LEAST_LABELS = 8
UNSURE = 0.3
"""A first loss of more than this share of ln(classes): the model is not so sure that it could be right by skill."""


class Capture:
    """The first batches of one model, and a description of what the loss was given."""

    def __init__(self) -> None:
        self.described = False
        self.direct = False
        """The loss was computed on the model's output as it is."""
        self.batches: list[Batch] = []
        self.entry: Any = None
        """The module through which the first training forward went."""
        self.path = ""
        self.asked: Any = None
        """The module that the last forward went through, trained on or not."""
        self.size = 0
        self.waiting: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self.outputs: dict[int, Any] = {}
        self.loss: LossInfo | None = None
        self.output_info: OutputInfo | None = None
        self.target: TargetInfo | None = None
        self.arguments: dict[str, Any] = {}
        self.agreed = self.compared = 0
        self.nonfinite: NonFinite | None = None

    @property
    def full(self) -> bool:
        """Nothing more is wanted."""
        return self.described and (len(self.batches) >= BATCHES or self.size > LARGEST)

    def inputs(self, watch: ModelWatch, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any], step: int) -> None:
        """A forward that may be trained on begins: its inputs are copied, for the script may write into them."""
        self.waiting.clear()
        self.outputs.clear()
        if len(self.batches) >= BATCHES or self.size > LARGEST:
            return
        if self.entry is not None and forward.entry is not self.entry:
            return
        self.waiting[id(forward)] = copied(args), copied(kwargs)
        self.asked = forward.entry

    def output(self, forward: Forward, output: Any) -> None:
        self.outputs[id(forward)] = output

    def describe(self, calls: list[LossCall], latest: Any, roots: list[Tensor], step: int) -> None:
        """A backward pass begins: the loss is described at the first, and the batch kept of the first few."""
        forward = latest[1] if latest is not None else None
        call = calls[0] if calls else None
        self.agree(call)
        if forward is not None and id(forward) in self.waiting:
            args, kwargs = self.waiting.pop(id(forward))
            target = copied(call.target) if call is not None and call.result.numel() == 1 else None
            batch = Batch(args, kwargs, target)
            self.size += sum(t.numel() * t.element_size() for _, t in named_tensors((args, kwargs, target)))
            self.batches.append(batch)
            if self.entry is None:
                self.entry = forward.entry
                self.path = latest[0].watch.names.get(id(forward.entry), "")
        if not self.described and (call is not None or forward is not None):
            self.described = True
            self.first(calls, self.outputs.get(id(forward)) if forward is not None else None, roots)
        self.outputs.clear()

    def keep(self, watch: ModelWatch, forward: Forward, other: Capture) -> None:
        """A backward pass begins at the loss of another model, to which this one's output went on: the batch is kept, and what
        is known of that loss."""
        if id(forward) in self.waiting:
            batch = Batch(*self.waiting.pop(id(forward)), None)
            self.size += sum(t.numel() * t.element_size() for _, t in named_tensors((batch.args, batch.kwargs)))
            self.batches.append(batch)
            if self.entry is None:
                self.entry = forward.entry
                self.path = watch.names.get(id(forward.entry), "")
        if not self.described and other.described:
            self.described = True
            self.loss = structs.replace(other.loss, source="given") if other.loss is not None else None
            self.output_info, self.target = other.output_info, other.target
        self.outputs.clear()

    def settle(self, watch: ModelWatch) -> None:
        """The watch ends. Where no backward pass ever came, the last forward's batch shows at least what the model is given."""
        if not self.batches and self.waiting:
            args, kwargs = next(iter(self.waiting.values()))
            self.batches.append(Batch(args, kwargs, None))
            self.entry, self.path = self.asked, watch.names.get(id(self.asked), "")
        self.waiting.clear()
        self.asked = None

    def first(self, calls: list[LossCall], output: Any, roots: list[Tensor]) -> None:
        """The loss of the first step, its prediction and its target."""
        batch = self.batches[0] if self.batches else None
        size = batch.size if batch is not None else None
        own = own_loss(output) if output is not None else None
        if own is not None and any(root is own or root.grad_fn is own.grad_fn for root in roots):
            self.loss = LossInfo(name="model", user=True, source="model", kind="custom", reason="the model's output carries it")
        found = prediction(output) if output is not None else None
        if calls:
            call = calls[0]
            names = [c.name for c in calls]
            self.loss = LossInfo(
                name=call.name if len(set(names)) == 1 else "custom",
                user=True,
                source="model" if self.loss is not None else "given",
                kind=FAMILY.get(call.name, "custom") if len({FAMILY.get(n, "custom") for n in names}) == 1 else "custom",  # type: ignore[arg-type]
                functional=names,
                reason="as the script computes it",
                location=call.location,
                broadcast=broadcast_of(call),
            )
            self.arguments = call.arguments
            name = next((n for n, t in named_tensors(output) if t is call.prediction), "") if output is not None else ""
            self.output_info = describe_output(name, call.prediction, size, None)
            self.direct = found is not None and found[1] is call.prediction
            if call.name not in NOT_OUTPUT_TARGET:
                self.target = describe_target(call.target, batch)
                if self.target is not None and (len(calls) > 1 or not any(root is call.result for root in roots)):
                    self.target.from_output = False  # a part of a larger loss, such as a codebook's, may well pull at both ends
        elif found is not None:
            self.loss = self.loss or LossInfo(
                name="custom", user=True, source="given", kind="custom", reason="the script's own; no loss of torch's ran in it"
            )
            self.output_info = describe_output(*found, size, None)

    def agree(self, call: LossCall | None) -> None:
        """Counts steps in which every label is the model's own first choice, though at the first it was far from sure of any."""
        if call is None or self.compared >= AGREEING or call.name != "cross_entropy" or call.arguments.get("label_smoothing"):
            return
        prediction, target = call.prediction.detach(), call.target.detach()
        if target.is_floating_point() or prediction.dim() < 2 or target.numel() < LEAST_LABELS:
            return
        self.compared += 1
        choice = prediction.argmax(1)
        if choice.shape != target.shape or not bool((choice == target).all()):
            return
        classes = prediction.shape[1]
        unsure = classes > 1 and float(call.result.detach().mean()) > UNSURE * math.log(classes)
        several = bool((target != target.flatten()[0]).any())  # a batch of one class is guessed by chance
        if self.agreed or (unsure and several):
            self.agreed += 1

    @property
    def own_labels(self) -> bool:
        """The labels are the model's own output."""
        return self.compared >= AGREEING and self.agreed == self.compared

    def not_finite(self, latest: Any, calls: list[LossCall], step: int) -> None:
        """The loss is not finite: looks where that began, by running the forward again on a copy."""
        from nnreport.inspector.watching.origin import find_origin

        self.nonfinite = find_origin(latest, calls, step)


def copied(value: Any) -> Any:
    """The value with its tensors copied."""
    return map_tensors(value, lambda t: t.detach().clone())


def broadcast_of(call: LossCall) -> list[list[int]]:
    """[prediction shape, target shape] where the loss silently made a table of them."""
    if call.name not in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        return []
    one, other = call.prediction.shape, call.target.shape
    if one != other and broadcast_size(one, other) > max(call.prediction.numel(), call.target.numel()):
        return [list(one), list(other)]
    return []
