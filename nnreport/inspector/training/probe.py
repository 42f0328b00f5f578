"""The probe: a copy of the model trained for a few steps on one fixed batch, and what was seen on the way.

A step is the plain one of the user's own loop. In about a dozen observed steps statistics of activations, gradients and updates
are taken besides; the others run without a hook.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.facts import Graph, Number, Probe, number
from nnreport.inspector.blame import Phase, training_failure
from nnreport.inspector.clone import CloneError, clone
from nnreport.inspector.seeding import random_state, restore_random, seeded
from nnreport.inspector.training.dead import Tally, batches_wanted, buffers_kept, count_dead, mark_gates, record_dead
from nnreport.inspector.training.nonfinite import find
from nnreport.inspector.training.observe import ActivationObserver, batch_of, observed_steps
from nnreport.inspector.training.outputinfo import describe_output
from nnreport.inspector.training.task import Task, needs_closure
from nnreport.inspector.training.updates import ParameterObserver

KEPT_BUFFER = 1 << 16
"""Buffers of up to this many elements (running statistics) are put back before a step is run again; larger ones are tables."""

OnStep = Callable[[int, int, Number], None]


class StepFailed(Exception):
    """The user's code raised in a step."""

    def __init__(self, phase: Phase, error: Exception) -> None:
        super().__init__(str(error))
        self.phase = phase
        self.error = error


class NotFinite(Exception):
    """The loss, or the gradient of a finite loss, is NaN or Inf."""

    def __init__(self, gradient: bool) -> None:
        super().__init__("not finite")
        self.gradient = gradient


@contextmanager
def doing(phase: Phase) -> Iterator[None]:
    """Names the part of a step in which the user's code raises."""
    try:
        yield
    except (StepFailed, NotFinite):
        raise
    except Exception as error:
        raise StepFailed(phase, error) from error


def run_probe(model: nn.Module, task: Task, steps: int, graph: Graph | None, on_step: OnStep | None = None) -> Probe:
    """Trains a copy of ``model``. The model itself is not changed; the same seed gives the same facts on the CPU.

    Args:
        model: the user's.
        task: loss, data, optimizer, device.
        steps: how many.
        graph: the recorded forward, to place the output's activation and gates; may be None.
        on_step: called with (step, steps, loss) after each.

    Failures of the user's code are appended to ``task.failures`` and end the probe; ``reason`` then says why.
    """
    probe = Probe(steps=steps, loss=task.loss_info, optimizer=task.optimizer_info, mode=task.mode, stochastic=task.stochastic)
    probe.reason = task.reason
    with torch.enable_grad():
        try:
            probe.data = task.data.info
            probe.batch = batch_of(task.data.first) or 0
            if not task.reason:
                Run(model, task, probe, graph, on_step).go()
        except CloneError as error:
            probe.reason = f"the model cannot be copied: {error}"
        except StepFailed as failed:
            record_failure(task, probe, failed)
    return probe


def record_failure(task: Task, probe: Probe, failed: StepFailed, model: nn.Module | None = None, given: Any = None) -> None:
    """Puts a failure of the user's code where the pipeline finds it, and says in the probe that it ended there."""
    from nnreport.inspector.tracing.hints import hint_for

    task.failures.append(training_failure(failed.error, failed.phase, model, given, hint_for(failed.error, failed.phase)))
    first = str(failed.error).strip().splitlines()[0] if str(failed.error).strip() else ""
    what = {"loss": "the loss", "backward": "the backward pass", "optimizer": "the optimizer"}.get(
        failed.phase, "the forward pass"
    )
    at = f" in step {probe.done}" if probe.done else ""
    probe.reason = f"{what} fails{at}: {type(failed.error).__name__}: {first}"


class Run:
    """One training run and its observers."""

    def __init__(self, model: nn.Module, task: Task, probe: Probe, graph: Graph | None, on_step: OnStep | None) -> None:
        self.task, self.probe, self.graph, self.on_step = task, probe, graph, on_step
        self.copy = clone(model).to(task.device)
        self.copy.train(probe.mode == "train")
        self.batch = task.data.first
        self.output: Any = None
        self.functional = True
        self.parameters = ParameterObserver(self.copy)
        self.activations = ActivationObserver(self.copy, batch_of(self.batch))
        self.state: tuple[Any, ...] = ()
        self.buffers = [b for b in self.copy.buffers() if b.numel() <= KEPT_BUFFER]
        self.kept = [b.detach().clone() for b in self.buffers]
        self.lost = 0.0

    def go(self) -> None:
        """Everything, in order. Raises :class:`StepFailed` only from making the optimizer."""
        task, probe = self.task, self.probe
        probe.deterministic_loss = not task.stochastic
        with doing("optimizer"):
            optimizer = task.new_optimizer(self.copy)
        budget = batches_wanted(self.copy, task, probe.steps, self.graph)
        before_eval = self.eval_loss()
        before = count_dead(self.copy, task, budget)
        with seeded(task.seed, task.device):
            self.train(optimizer)
        after = Tally()
        if probe.done and probe.nonfinite is None:
            after_eval = self.eval_loss()
            probe.eval_losses = (
                [number(v) for v in (before_eval, after_eval) if v is not None] if None not in (before_eval, after_eval) else []
            )
            after = count_dead(self.copy, task, budget, self.functional)
        record_dead(self.activations.series, before, after, lambda key: None)
        mark_gates(self.activations.series, self.graph)
        probe.activations = list(self.activations.series.values())
        probe.parameters = self.parameters.series

    def train(self, optimizer: Any) -> None:
        """The steps and the loss after the last; ends early at a failure or the first non-finite number."""
        probe, steps = self.probe, self.probe.steps
        observed = set(observed_steps(steps))
        for step in range(steps):
            start = perf_counter()
            try:
                loss = self.step(optimizer, step in observed)
            except NotFinite as end:
                self.not_finite(step, end.gradient)
                return
            except StepFailed as failed:
                record_failure(self.task, probe, failed, self.copy, (self.batch.args, self.batch.kwargs, self.batch.target))
                return
            if step in observed:
                probe.observed.append(step)
            probe.losses.append(number(loss))
            probe.seconds.append(perf_counter() - start)
            probe.done = step + 1
            if self.on_step is not None:
                self.on_step(step, steps, number(loss))
        self.last_loss()

    def last_loss(self) -> None:
        """One more loss, after the last update."""
        if not self.probe.done:
            return
        try:
            self.remember()
            with torch.no_grad():
                loss = float(self.task.loss(self.copy, self.batch)[0])
        except Exception:  # it ran before; what now fails is of no step
            return
        self.probe.losses.append(number(loss))
        if not math.isfinite(loss):
            self.not_finite(self.probe.done, False, appended=True)

    def not_finite(self, step: int, gradient: bool, appended: bool = False) -> None:
        """Ends the run, and runs the failing step again to see where it begins."""
        probe = self.probe
        self.activations.drop_step()
        if not appended:
            probe.losses.append(number(self.lost))
        restore_random(self.state, self.task.device)
        with torch.no_grad():  # a batch norm has already taken the NaN into its running statistics
            for buffer, value in zip(self.buffers, self.kept, strict=True):
                buffer.copy_(value)
        with buffers_kept(self.copy):
            probe.nonfinite = find(self.copy, self.task, self.batch, step, gradient)
        what = "the gradient" if gradient else "the loss"
        probe.reason = f"{what} is not finite at step {step}"

    # ----------------------------------------------------------------------------------------------------- one step

    def remember(self) -> None:
        """What a step begins with besides the weights, so that it can be run again."""
        self.state = random_state(self.task.device)
        if self.kept:
            torch._foreach_copy_(self.kept, self.buffers)

    def step(self, optimizer: Any, observed: bool) -> float:
        """One step, observed or bare. Gives the loss before the update."""
        self.remember()
        if not observed:
            return self.update(optimizer, None)
        try:
            return self.update(optimizer, self.activations)
        except StepFailed as failed:
            if not self.functional or failed.phase not in ("forward", "loss"):
                raise
            # a model may refuse to run under a function mode; it gets a second chance without
            self.activations.drop_step()
            self.functional = self.activations.watch.functional = False
            restore_random(self.state, self.task.device)
            return self.update(optimizer, self.activations)

    def update(self, optimizer: Any, observer: ActivationObserver | None) -> float:
        """Forward, loss, backward and update, in the optimizer's own way."""
        if needs_closure(optimizer):
            first: list[float] = []

            def closure() -> Tensor:
                watched = observer if not first else None
                loss, value = self.gradient(optimizer, watched)
                if not first:
                    first.append(value)
                    if observer is not None:
                        self.parameters.before()
                return loss

            with doing("optimizer"):
                optimizer.step(closure)
            value = first[0]
        else:
            _, value = self.gradient(optimizer, observer)
            if observer is not None:
                self.parameters.before()
            with doing("optimizer"):
                optimizer.step()
        if observer is not None:
            self.parameters.after()
            observer.end_step()
        return value

    def gradient(self, optimizer: Any, observer: ActivationObserver | None) -> tuple[Tensor, float]:
        """Forward, loss and backward. Raises :class:`NotFinite` before a backward of a non-finite loss, and after one that gave a
        non-finite gradient."""
        task = self.task
        with doing("optimizer"):
            optimizer.zero_grad()
        with doing("forward"):
            if observer is not None:
                with observer.watch:
                    output = task.forward(self.copy, self.batch)
            else:
                output = task.forward(self.copy, self.batch)
        if self.probe.output is None:
            self.describe(output)
        with doing("loss"):
            loss = task.objective(output, self.batch)
            value = float(loss.detach())
        del output
        self.lost = value
        if not math.isfinite(value):
            raise NotFinite(gradient=False)
        with doing("backward"):
            loss.backward()
        norm = self.parameters.norm()
        first = len(self.probe.gradient_norms) == self.probe.done
        if first:
            self.probe.gradient_norms.append(number(norm))
        if not math.isfinite(norm) and any(not bool(torch.isfinite(t).all()) for t in gradients_of(self.copy)):
            raise NotFinite(gradient=True)
        return loss, value

    def describe(self, output: Any) -> None:
        """Facts of the output that the loss reads, from the first forward."""
        found = self.task.prediction(output)
        if found is not None:
            self.probe.output = describe_output(*found, batch_of(self.batch), self.graph)

    def eval_loss(self) -> float | None:
        """The loss on the fixed batch in eval mode; None where that does not work. Leaves the copy as it was."""
        modes = [(m, m.training) for m in self.copy.modules()]
        try:
            with seeded(self.task.seed, self.task.device), torch.no_grad(), buffers_kept(self.copy):
                self.copy.eval()
                return float(self.task.loss(self.copy, self.batch)[0])
        except Exception:  # a model that only trains; its train-mode losses are there
            return None
        finally:
            for module, training in modes:
                module.training = training


def gradients_of(model: nn.Module) -> Iterator[Tensor]:
    for parameter in model.parameters():
        if parameter.grad is not None:
            yield parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
