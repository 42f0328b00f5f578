"""Does the output of one sample depend on another sample of its batch?

Every second sample of a batch is replaced, and the outputs of those that stayed are watched; then the others. What is exact in
floating point stays exact (the same kernels run on the same shapes), so a limit far below the smallest true case can be used:
true faults moved the others by 0.002 to 0.05 of the output's standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnreport.facts import Experiments, Mixing
from nnreport.inspector.trials.axes import Axis, batch_axes, unlike
from nnreport.inspector.trials.clock import OutOfTime
from nnreport.inspector.trials.lab import Lab
from nnreport.inspector.trials.pool import Inputs, NoBatch
from nnreport.inspector.trials.watch import first_parting, node_of

TOLERANCE = 1e-5
"""Change of another sample's output over the output's scale, up to which nothing moved."""
ROUNDING = 8
"""… but at least so many units in the last place of the output's dtype."""
MOST_PAIRS = 8
LOOKED_AT = 1024
"""Elements kept per sample and operation when the place is looked for."""

Outputs = list[tuple[str, Tensor]]


@dataclass
class Moved:
    """How far outputs moved, of the samples that stayed and of those that were replaced."""

    others: float = 0.0
    own: float = 0.0
    scale: float = 0.0
    """rms of the output."""
    std: float = 0.0
    """Of the output over the batch."""
    tolerance: float = 0.0
    rows: tuple[int, ...] = ()
    """Samples that moved though they stayed."""

    @property
    def mixed(self) -> bool:
        return self.others > self.tolerance


def mixing(lab: Lab, found: Experiments) -> None:
    """Fills ``found.mixing``."""
    result = Mixing(samples=0)
    found.mixing = result
    try:
        bench = prepare(lab, result)
        if bench is None:
            return
        if not compare(bench, result):
            bench.model = lab.stirred  # a zero-initialised head hides everything
            bench.outputs = bench.run(bench.inputs)
            if not compare(bench, result):
                result.reason = "the output does not react to its own sample either"
    except NoBatch as why:
        result.reason = str(why)


@dataclass
class Bench:
    """A batch, as many other samples, the outputs of the first and where the samples lie in them."""

    lab: Lab
    model: nn.Module
    inputs: Inputs
    other: Inputs
    outputs: Outputs
    axes: list[Axis]

    def run(self, inputs: Inputs) -> Outputs:
        return self.lab.run(self.model, inputs)

    def replacing(self, rows: list[int]) -> Moved:
        """What moves when ``rows`` are replaced."""
        return movement(self.outputs, self.run(self.inputs.with_rows(self.other, rows)), self.axes, rows)


def prepare(lab: Lab, result: Mixing) -> Bench | None:
    """Finds the batch axis of the outputs, with numbers of samples that the model takes. None, and a reason, if there is none."""
    sizes = unlike(lab.graph)
    given = lab.sample.batch or 0
    tries = [(sizes[0], sizes[1]), (given, 2 * given), (2, 4)]
    for small, large in [pair for pair in tries if pair[0] > 1]:
        inputs, other = lab.pool.draw(small, 0), lab.pool.draw(small, 1)
        if inputs.batch is None:
            raise NoBatch("the inputs share no leading axis")
        wider = lab.pool.draw(large, 2)
        try:
            outputs, wide = lab.run(lab.calm, inputs), lab.run(lab.calm, wider)
        except OutOfTime:
            raise
        except Exception as error:
            result.reason = f"it does not run with other numbers of samples ({type(error).__name__})"
            continue
        result.reason = ""
        result.samples = small
        axes = batch_axes(outputs, wide, (small, large))
        if all(axis.axis is None for axis in axes):
            reasons = list(dict.fromkeys(axis.reason for axis in axes)) or ["the output holds no tensor"]
            result.reason = f"no batch axis: {reasons[0]}"
            return None
        return Bench(lab, lab.calm, inputs, other, outputs, axes)
    return None


def compare(bench: Bench, result: Mixing) -> bool:
    """Replaces samples and says what moved. False if not even their own outputs did."""
    worst: Moved | None = None
    changed: list[int] = []
    reacts = False
    for half in (list(range(start, result.samples, 2)) for start in (0, 1)):
        moved = bench.replacing(half)
        reacts = reacts or moved.own > moved.tolerance
        if worst is None or moved.others > worst.others:
            worst, changed = moved, half
        if moved.mixed:
            break
    assert worst is not None
    record(result, worst, next((axis.axis for axis in bench.axes if axis.axis is not None), None))
    if not worst.mixed or not reacts:
        return reacts
    if movement(bench.outputs, bench.run(bench.inputs), bench.axes, []).mixed:
        result.reason = "two forwards of one batch differ"
    elif sequence_first(bench):
        result.axis = 1
        result.reason = "axis 1 behaves as the batch and axis 0 as a sequence (time-major): nothing can be said"
    else:
        pairs(bench, result, worst)
        locate(bench, result, changed)
    return True


def movement(before: Outputs, after: Outputs, axes: list[Axis], changed: list[int]) -> Moved:
    """The worst over all tensors of an output that have a batch axis. Raises NoBatch where shapes follow the values."""
    worst = Moved()
    others = dict(after)
    for (name, old), axis in zip(before, axes, strict=True):
        if axis.axis is None or old.is_quantized or old.layout != torch.strided:
            continue
        new = others.get(name)
        if new is None or new.shape != old.shape:
            raise NoBatch("the output's shape follows the values")
        moved = tensor_movement(old, new, axis.axis, changed)
        if worst.scale == 0.0 or moved.others - moved.tolerance > worst.others - worst.tolerance:
            moved.own = max(moved.own, worst.own)
            worst = moved
        else:
            worst.own = max(worst.own, moved.own)
    return worst


def tensor_movement(old: Tensor, new: Tensor, axis: int, changed: list[int]) -> Moved:
    if old.is_complex():
        old, new = torch.view_as_real(old), torch.view_as_real(new)
    precision = torch.finfo(old.dtype).eps if old.is_floating_point() else 0.0
    a, b = (t.movedim(axis, 0).flatten(1).float() if t.dim() > 1 else t[:, None].float() for t in (old, new))
    finite = torch.isfinite(a) & torch.isfinite(b)
    a, b = torch.where(finite, a, 0.0), torch.where(finite, b, 0.0)
    scale = float(a.pow(2).mean().sqrt())
    distance = (a - b).abs().amax(1) if a.shape[1] else a.new_zeros(len(a))
    stay = [i for i in range(len(a)) if i not in changed]
    tolerance = max(TOLERANCE, ROUNDING * precision) * scale
    return Moved(
        others=float(distance[stay].max()) if stay else 0.0,
        own=float(distance[changed].max()) if changed else 0.0,
        scale=scale,
        std=float(a.var(0, correction=0).mean().sqrt()),
        tolerance=tolerance,
        rows=tuple(i for i in stay if float(distance[i]) > tolerance),
    )


def record(result: Mixing, moved: Moved, axis: int | None) -> None:
    unit = moved.std or moved.scale or 1.0
    result.absolute = moved.others
    result.tolerance = moved.tolerance
    result.moved = moved.others / unit
    result.own = moved.own / unit
    result.axis = axis


def pairs(bench: Bench, result: Mixing, worst: Moved) -> None:
    """Which sample moves which: one is replaced at a time. The largest movement seen is the result's."""
    for i in range(min(result.samples, 3)):
        moved = bench.replacing([i])
        result.pairs += [[i, j] for j in moved.rows]
        if moved.others > worst.others:
            worst = moved
            record(result, moved, result.axis)
    result.pairs = result.pairs[:MOST_PAIRS]


# ------------------------------------------------------------------------------------------------------------ time-major


def sequence_first(bench: Bench) -> bool:
    """Axis 1 is the batch and axis 0 a sequence, as ``nn.LSTM`` and ``nn.Transformer`` have it by default.

    The samples along axis 1 do not mix, and putting them in another order puts the outputs in that order and changes nothing
    else. A model that was meant for (N, L, …) and forgot ``batch_first`` shows itself by giving one row per leading index
    (N, C), or by position encodings along axis 1.
    """
    inputs = bench.inputs
    tensors = inputs.tensors()
    if any(t.dim() < 2 for t in tensors) or len({t.shape[1] for t in tensors}) != 1:
        return False
    width = tensors[0].shape[1]
    kept = [(name, out) for (name, out), axis in zip(bench.outputs, bench.axes, strict=True) if axis.axis == 0]
    if width < 2 or not kept or any(out.dim() < 2 or out.shape[1] != width for _, out in kept):
        return False
    names = {name for name, _ in kept}
    columns = list(range(0, width, 2))
    replaced = inputs.map(exchanged(bench.other, columns))
    after = [(n, t) for n, t in bench.run(replaced) if n in names]
    along = [Axis(name, 1) for name, _ in kept]
    if movement(kept, after, along, columns).mixed:
        return False
    order = [*range(1, width), 0]
    turned = [(n, t) for n, t in bench.run(inputs.map(lambda t: t[:, order])) if n in names]
    return not movement([(n, t[:, order]) for n, t in kept], turned, along, []).mixed


def exchanged(other: Inputs, columns: list[int]) -> Callable[[Tensor], Tensor]:
    """Replaces ``columns`` of axis 1 by those of ``other``."""
    pairs = iter(other.tensors())

    def swap(tensor: Tensor) -> Tensor:
        swapped, twin = tensor.detach().clone(), next(pairs)
        swapped[:, columns] = twin[:, columns].to(tensor.dtype)
        return swapped

    return swap


# ----------------------------------------------------------------------------------------------------------------- where


def locate(bench: Bench, result: Mixing, changed: list[int]) -> None:
    """Names the first operation with a row per sample whose rows moved though their samples stayed."""
    count = result.samples
    stay = [i for i in range(count) if i not in changed]

    def look(tensor: Tensor) -> Tensor | None:
        if not tensor.dim() or tensor.shape[0] != count or tensor.layout != torch.strided or not tensor.is_floating_point():
            return None
        rows = tensor.detach().reshape(count, -1)
        step = -(-rows.shape[1] // LOOKED_AT)
        return rows[:, :: step | 1].float().clone()

    def parts(a: Tensor, b: Tensor) -> bool:
        scale = float(a[torch.isfinite(a)].pow(2).mean().sqrt()) if bool(torch.isfinite(a).any()) else 0.0
        distance = torch.nan_to_num(a[stay] - b[stay], posinf=0.0, neginf=0.0).abs()
        return bool(distance.numel()) and float(distance.max()) > TOLERANCE * scale

    after = bench.inputs.with_rows(bench.other, changed)
    forwards = (lambda: bench.run(bench.inputs), lambda: bench.run(after))
    place = first_parting(bench.model, forwards, look, parts)
    if place is not None:
        result.module, result.operation, result.location = place.module, place.operation, place.location
        result.node = node_of(bench.lab.graph, place)
