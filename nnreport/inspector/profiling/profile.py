"""Where a training step spends its time and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnreport.facts import Graph, ModuleCost, Profile, Tree
from nnreport.inspector.clone import clone
from nnreport.inspector.profiling.machine import measure_machine
from nnreport.inspector.profiling.memory import Saved, gradients_of, peak_of, peak_reset, size_of, state_of, weights_of
from nnreport.inspector.profiling.operators import Trace, profile_step
from nnreport.inspector.profiling.timing import ModuleTimer
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.training.task import batch_size, needs_closure

if TYPE_CHECKING:
    from nnreport.inspector.feeding.data import Batch
    from nnreport.inspector.training.task import Task

PLAIN_STEPS = 7
"""Unobserved steps, at most; at least three unless one takes as long as all may."""
PLAIN_SECONDS = 0.5
WATCHED_STEPS = 3
"""Steps with hooks, at most; at least one."""
WATCHED_SECONDS = 0.3


@dataclass
class Split:
    """Seconds of one step and its parts."""

    step: float
    forward: float
    backward: float
    optimizer: float


@dataclass
class Bench:
    """A copy in training, and what a step of it needs."""

    model: nn.Module
    task: Task
    batch: Batch
    optimizer: Any
    wait: Callable[[], None]
    timer: ModuleTimer = field(init=False)

    def __post_init__(self) -> None:
        self.timer = ModuleTimer(self.model, self.wait)


def run_profile(model: nn.Module, task: Task, graph: Graph | None, tree: Tree | None) -> Profile:
    """Profiles a few training steps of a copy on the task's first batch.

    Args:
        model: the user's; only a copy runs.
        task: a training step.
        graph: for FLOPs; None leaves them out.
        tree: not needed for measuring; its order is the order of ``Profile.modules``.

    Raises what the user's code raises in a training step.
    """
    device = task.device
    wait = waiter(device)
    base = peak_reset(device)
    copy = clone(model).to(device).train(task.mode == "train")
    with seeded(task.seed, device), torch.enable_grad():
        bench = Bench(copy, task, task.data.first, task.new_optimizer(copy), wait)
        profile = Profile(batch=batch_size(bench.batch) or 0)
        warm_up(bench, profile)
        splits = plain_steps(bench)
        middle = sorted(splits, key=lambda split: split.step)[len(splits) // 2]
        profile.step, profile.forward = middle.step, middle.forward
        profile.backward, profile.optimizer = middle.backward, middle.optimizer
        if base is not None:
            profile.peak_memory = max(peak_of(device) - base, 0)
        watched = watched_steps(bench)
        trace = traced_step(bench)
    profile.throughput = profile.batch / profile.step if profile.step > 0 else 0.0
    profile.operators = trace.operators
    if base is None:
        profile.peak_memory = profile.parameters_memory + profile.optimizer_memory + trace.allocated
    profile.modules = module_costs(bench.timer, watched, profile, graph, tree)
    profile.machine = measure_machine(device, wait)
    scale = flops_scale(graph, profile.batch)
    if graph is not None and profile.step > 0 and scale:
        profile.achieved_flops = scale * (graph.flops + graph.flops_backward) / profile.step
        if profile.achieved_flops > profile.machine.flops:
            profile.machine = measure_machine(device, wait, again=True)
    return profile


def waiter(device: torch.device) -> Callable[[], None]:
    """What waits until the device has done all it was told."""
    if device.type == "cpu":
        return lambda: None
    synchronize = getattr(getattr(torch, device.type), "synchronize")  # noqa: B009
    return lambda: synchronize()


def warm_up(bench: Bench, profile: Profile) -> None:
    """The first step, untimed: it counts what is saved for backward, the gradients and the optimizer's state."""
    batch = bench.batch
    inputs = [t for _, t in named_tensors((batch.args, batch.kwargs, batch.target))]
    saved = Saved([*weights_of(bench.model), *inputs])
    bench.optimizer.zero_grad()
    with saved.counting():
        loss, _ = bench.task.loss(bench.model, batch)
    loss.backward()
    profile.activations_memory = saved.size
    profile.gradients_memory = size_of(gradients_of(bench.model))
    if needs_closure(bench.optimizer):
        bench.task.step(bench.model, bench.optimizer, batch)
    else:
        bench.optimizer.step()
    profile.optimizer_memory = size_of(state_of(bench.optimizer))
    profile.parameters_memory = size_of(weights_of(bench.model))


def plain_steps(bench: Bench) -> list[Split]:
    """A few steps with no hook anywhere."""
    splits: list[Split] = []
    begin = perf_counter()
    while len(splits) < 3 or (len(splits) < PLAIN_STEPS and perf_counter() - begin < PLAIN_SECONDS):
        splits.append(closure_split(bench) if needs_closure(bench.optimizer) else plain_split(bench))
        if splits[0].step > PLAIN_SECONDS:  # so slow that one is sure
            break
    return splits


def plain_split(bench: Bench) -> Split:
    times = [now(bench)]
    bench.optimizer.zero_grad()
    loss, _ = bench.task.loss(bench.model, bench.batch)
    times.append(now(bench))
    loss.backward()
    times.append(now(bench))
    bench.optimizer.step()
    times.append(now(bench))
    return Split(times[3] - times[0], times[1] - times[0], times[2] - times[1], times[3] - times[2])


def closure_split(bench: Bench) -> Split:
    """An optimizer that calls the model itself: one forward and backward are timed beside its whole step."""
    begin = now(bench)
    bench.task.step(bench.model, bench.optimizer, bench.batch)
    end = now(bench)
    loss, _ = bench.task.loss(bench.model, bench.batch)
    forward = now(bench)
    loss.backward()
    backward = now(bench)
    step = end - begin
    return Split(step, forward - end, backward - forward, max(step - (backward - end), 0.0))


def now(bench: Bench) -> float:
    bench.wait()
    return perf_counter()


def watched_steps(bench: Bench) -> Split:
    """Steps with the timer's hooks; the totals over all of them, ``step`` being their number. The weights stay as they are."""
    total = Split(0.0, 0.0, 0.0, 0.0)
    begin = perf_counter()
    while total.step < 1 or (total.step < WATCHED_STEPS and perf_counter() - begin < WATCHED_SECONDS):
        bench.optimizer.zero_grad()
        start = now(bench)
        with bench.timer.watching():
            loss, _ = bench.task.loss(bench.model, bench.batch)
        middle = now(bench)
        bench.timer.run_backward(loss)
        total.forward += middle - start
        total.backward += now(bench) - middle
        total.step += 1
    return total


def traced_step(bench: Bench) -> Trace:
    """One step under torch's profiler; empty where that fails."""
    bench.optimizer.zero_grad()
    try:
        if needs_closure(bench.optimizer):
            return profile_step(lambda: bench.task.step(bench.model, bench.optimizer, bench.batch), bench.task.device)

        def step() -> None:
            loss, _ = bench.task.loss(bench.model, bench.batch)
            loss.backward()
            bench.optimizer.step()

        return profile_step(step, bench.task.device)
    except (RuntimeError, AttributeError, AssertionError):
        return Trace()


def flops_scale(graph: Graph | None, batch: int) -> float:
    """From the recorded forward's batch to the step's."""
    if graph is None:
        return 0.0
    return batch / graph.batch if graph.batch and batch else 1.0


def module_costs(
    timer: ModuleTimer, watched: Split, profile: Profile, graph: Graph | None, tree: Tree | None
) -> list[ModuleCost]:
    """One row a module that ran. Hooks cost time themselves, so the rows are scaled to what the plain steps took."""
    steps = watched.step
    forward = min(profile.forward / (watched.forward / steps), 1.0) / steps if watched.forward > 0 else 0.0
    backward = min(profile.backward / (watched.backward / steps), 1.0) / steps if watched.backward > 0 else 0.0
    flops = own_flops(graph, flops_scale(graph, profile.batch))
    order = [m.path for m in tree.modules] if tree is not None else list(timer.names.values())
    return [
        ModuleCost(
            module=name,
            calls=round(timer.calls[name] / steps),
            forward=timer.forward[name] * forward,
            forward_total=timer.forward_total[name] * forward,
            backward=timer.backward[name] * backward,
            backward_total=timer.backward_total[name] * backward,
            activation=round(timer.output_bytes[name] / steps),
            flops=flops.get(name, 0),
        )
        for name in order
        if timer.calls[name] or name in timer.backward_total
    ]


def own_flops(graph: Graph | None, scale: float) -> dict[str, int]:
    """Module path -> FLOPs per step at the step's batch, forward and backward, without its children's."""
    found: dict[str, float] = {}
    if graph is None:
        return {}
    modules = {call.id: call.module for call in graph.calls}
    for call in graph.calls:
        whole = scale * (call.flops + call.flops_backward)
        found[call.module] = found.get(call.module, 0.0) + whole
        parent = modules.get(call.parent) if call.parent is not None else None
        if parent is not None:
            found[parent] = found.get(parent, 0.0) - whole
    return {name: max(round(value), 0) for name, value in found.items()}
