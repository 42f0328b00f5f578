"""The watch itself: it hears of forwards, losses, backward passes and steps, and puts them in their place."""

from __future__ import annotations

import math
import os
import sys
import threading
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from nnreport.inspector.blame import user_location
from nnreport.inspector.watching.capture import Capture
from nnreport.inspector.watching.copies import unscripted, without_hooks
from nnreport.inspector.watching.discovery import (
    modules_alive,
    outermost,
    safe_parameters,
    unwrapped,
    variable_name,
    with_gradient,
)
from nnreport.inspector.watching.forwards import Forward, ModelWatch, caller
from nnreport.inspector.watching.graphs import Graphs
from nnreport.inspector.watching.holding import find_orphans, look_for_unheld
from nnreport.inspector.watching.labels import Labels
from nnreport.inspector.watching.listener import Listener
from nnreport.inspector.watching.loaders import Loaders
from nnreport.inspector.watching.log import Log
from nnreport.inspector.watching.losses import LossCall, place, wrap_losses
from nnreport.inspector.watching.observer import ModelObserver, is_observed
from nnreport.inspector.watching.optimizers import OptimizerWatch, sampled
from nnreport.inspector.watching.own import Own
from nnreport.inspector.watching.patching import Patches
from nnreport.inspector.watching.schedulers import Schedulers
from nnreport.inspector.watching.seen import Called
from nnreport.inspector.watching.trained import TrainedModel

MOST_OPTIMIZERS = 64
"""Optimizers that are followed; a script that makes one for every parameter has hundreds."""
MOST_CALLS = 8
"""Losses of one step that are told apart."""
LABELLED = 200
"""Steps whose labels are gathered."""
MOST_PENDING = 1_000
"""Losses without a step that are told apart."""
AHEAD = 3
"""Steps that another optimizer must have made more, and half as many again, to be the one whose steps are the run's."""
INSTALLED: list[Watcher] = []
"""The watches that are on in this process, the outermost first."""


class Watcher:
    """Watches the process it lives in, from :meth:`install` to :meth:`release`.

    Args:
        limit: optimizer steps after which ``on_limit`` is called; None: never.
        every: observe every so many steps; 0: often at first, rarer later.
        on_limit: called in the script's own thread, after the last step.
        on_step: called after each step with its number (from 1) and the loss, if known.
    """

    def __init__(
        self,
        limit: int | None = None,
        every: int = 0,
        on_limit: Callable[[], None] | None = None,
        on_step: Callable[[int, float | None], None] | None = None,
    ) -> None:
        self.limit, self.every, self.on_limit, self.on_step = limit, every, on_limit, on_step
        self.on = False
        self.paused = False
        """Another watch of this process looks at its model: what that does is none of the script's doing."""
        self.pid = os.getpid()
        self.thread = threading.get_ident()
        self.patches = Patches()
        self.optimizers: list[OptimizerWatch] = []
        self.models: list[TrainedModel] = []
        self.loaders = Loaders(self.active)
        self.schedulers = Schedulers(self.active, self.progress)
        self.graphs = Graphs()
        self.labels = Labels()
        self.step_seconds = Log()
        self.scale = Log()
        self.own = Own()
        self.in_backward = 0
        self.backwards = self.skipped = 0
        self.scaler = False
        self.pending: list[float | Tensor] = []
        """Losses whose backward pass ran since the last step."""
        self.group: list[float | Tensor] = []
        """The losses of the last step: a second optimizer may step on the same."""
        self.fresh = False
        self.calls: list[LossCall] = []
        self.latest: tuple[TrainedModel, Forward] | None = None
        self.reached: set[int] = set()
        self.started: float | None = None
        self.once = 0.0
        """Seconds of our own work up to the first step: the search for the models."""
        self.ended = 0.0
        self.last_step: float | None = None
        self.evaluated = False
        self.nonfinite_step: int | None = None
        self.called: Called | None = None
        self.leader: OptimizerWatch | None = None
        """The optimizer whose steps are the run's: the one that steps first, until another has made many more."""
        self.strangers: list[tuple[Tensor, Tensor]] = []
        """Parameters of no known model that had a gradient at the first step, and a sample of it."""
        self.listeners: list[Listener] = []
        """Told of all this, too (the breakpoints)."""

    # ------------------------------------------------------------------------------------------------ on and off

    def install(self) -> Watcher:
        """Begins to watch."""
        self.on = True
        INSTALLED.append(self)
        self.called = Called(self.hears)
        self.patches.wrap(torch, "compile", self.wrap_compile)
        self.patches.wrap(nn.Module, "__getstate__", without_hooks)
        self.patches.wrap(Optimizer, "__init__", self.wrap_init)
        self.patches.wrap(torch.autograd, "backward", self.wrap_backward)
        self.patches.wrap(torch.amp.GradScaler, "step", self.wrap_scaler)
        before = register_optimizer_step_pre_hook(self.before_step)
        after = register_optimizer_step_post_hook(self.after_step)
        self.patches.later(before.remove)
        self.patches.later(after.remove)
        for name in ("script", "trace"):
            self.patches.wrap(torch.jit, name, unscripted)
        wrap_losses(self.patches, self.active, self.loss_called)
        self.loaders.install(self.patches)
        self.schedulers.install(self.patches)
        os.register_at_fork(after_in_child=self.forked) if hasattr(os, "register_at_fork") else None
        return self

    def wrap_compile(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def compile(*args: Any, **kwargs: Any) -> Any:
            if self.called is not None:
                self.called.release()  # the compiler warns of hooks on all modules
            return original(*args, **kwargs)

        return compile

    def forked(self) -> None:
        """A forked child (a worker of a loader) is not watched."""
        self.on = False

    def release(self) -> None:
        """Ends the watch: every hook and wrapper goes."""
        if not self.on:
            return
        self.on = False
        INSTALLED.remove(self)
        if self.called is not None:
            self.called.release()
        for model in self.models:
            self.close_interval(model, [])
            model.observer.reset()
            model.capture.settle(model.watch)
            model.watch.release()
        for optimizer in self.optimizers:
            optimizer.release()
        self.patches.undo()

    def forget(self) -> None:
        """Lets go of models and batches, after the look."""
        self.latest = None
        self.calls.clear()
        for model in self.models:
            model.kept = None
            model.capture = Capture()
            model.open.clear()
            model.last = None

    def active(self) -> bool:
        """Is this the process and thread that is watched? The thread is the last that used torch before the first backward pass:
        an optimizer may be made in one and stepped in another."""
        if not self.here():
            return False
        thread = threading.get_ident()
        if thread != self.thread and not self.backwards and torch.is_grad_enabled():
            self.thread = thread
        return thread == self.thread

    def here(self) -> bool:
        """Is this the process that is watched, and doing what the script wants?"""
        return self.on and not self.paused and os.getpid() == self.pid

    # ------------------------------------------------------------------------------------------------ optimizers

    def wrap_init(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            original(optimizer, *args, **kwargs)
            if self.here() and len(self.optimizers) < MOST_OPTIMIZERS:
                with self.own:
                    self.optimizer_made(optimizer, sys._getframe(1))

        return __init__

    def optimizer_made(self, optimizer: Optimizer, frame: Any = None) -> OptimizerWatch:
        """Follows a new optimizer and the models that it trains. Of a model that is gone the ids may have gone to another."""
        if not self.optimizers:
            self.thread = threading.get_ident()
        if self.called is not None:
            self.called.release()
        watch = OptimizerWatch(optimizer, self.gradient_reached)
        watch.location = user_location(frame)
        self.optimizers.append(watch)
        parameters = watch.parameters()
        alive = [model for model in self.models if model.watch.root() is not None]
        known = {key for model in alive for key in model.watch.parameter_names}
        if any(id(p) not in known for p in parameters):
            for module in outermost(parameters):
                self.model_found(module, frame)
        for model in self.models:
            if model.watch.root() is None:
                continue
            names = model.watch.parameter_names
            held = [p for p in parameters if id(p) in names]
            if not held:  # of an earlier phase: if the script needs it no longer, its memory is free
                model.kept = None
            if held and model.primary is None:
                model.primary = weakref.ref(watch)
            for parameter in held:
                watch.names[id(parameter)] = (names[id(parameter)], model)
                model.held.add(names[id(parameter)])
        return watch

    def model_found(self, module: nn.Module, frame: Any = None) -> TrainedModel | None:
        """Follows a model; one that is known, or lies in a known one, only through its new wrappers."""
        root, wrappers = unwrapped(module)
        for model in self.models:
            if model.watch.root() is root:
                for wrapper in wrappers:
                    model.watch.hook(wrapper)
                    if type(wrapper).__name__ not in model.watch.wrappers:
                        model.watch.wrappers.append(type(wrapper).__name__)
                return model
            if id(root) in model.watch.names and model.watch.root() is not None:
                return model
        watch = ModelWatch(root, wrappers, self.hears, self.forward_begun, self.forward_ended, lambda: self.loaders.last)
        model = TrainedModel(watch, ModelObserver(root, activations=not watch.compiled))
        watch.variable = variable_name(root, frame) or variable_name(module, frame)
        self.models.append(model)
        for listener in self.listeners:
            listener.model_found(model)
        return model

    def watch_of(self, optimizer: Any) -> OptimizerWatch | None:
        return next((w for w in self.optimizers if w.optimizer() is optimizer), None)

    def progress(self, optimizer: Any) -> int:
        """Steps made by an optimizer, or tried under a GradScaler."""
        watch = self.watch_of(optimizer)
        return max(watch.steps, watch.attempts) if watch is not None else 1

    def gradient_reached(self, watch: OptimizerWatch) -> None:
        """A backward pass has come to an optimizer's parameters."""
        if id(watch) not in self.reached:
            self.reached.add(id(watch))
            watch.backwards += 1

    def wrap_scaler(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            watch = self.watch_of(optimizer) if self.active() else None
            if watch is None:
                return original(scaler, optimizer, *args, **kwargs)
            before = watch.steps
            watch.attempts += 1
            result = original(scaler, optimizer, *args, **kwargs)
            if scaler.is_enabled():
                self.scaler = True
                self.skipped += watch.steps == before
                if is_observed(watch.steps, self.every):
                    self.scale.add(watch.steps, float(scaler.get_scale()))
            return result

        return step

    # -------------------------------------------------------------------------------------------------- forwards

    def hears(self) -> bool:
        """Are calls of modules looked at? Not in a backward pass: what is called there is called again (checkpointing)."""
        return not self.in_backward and self.active()

    def model_of(self, watch: ModelWatch) -> TrainedModel:
        return next(model for model in self.models if model.watch is watch)

    def forward_begun(self, watch: ModelWatch, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with self.own:
            model = self.model_of(watch)
            step = model.step
            if self.latest is not None:
                self.latest[1].arguments = None
            forward.arguments = args, kwargs
            if (watch.train_forwards, forward.training, forward.grad) not in watch.training_calls and len(
                watch.training_calls
            ) < 40:
                watch.training_calls.add((watch.train_forwards, forward.training, forward.grad))
                forward.location = caller()
            if forward.grad:
                if not watch.train_forwards:
                    model.autocast = autocast_dtype()
                if not model.capture.full:
                    model.capture.inputs(watch, forward, args, kwargs, step)
                if is_observed(step, self.every):
                    model.observer.forward_begins(forward.size)
        for listener in self.listeners:
            listener.forward_begun(model, forward)

    def forward_ended(self, watch: ModelWatch, forward: Forward, output: Any) -> None:
        with self.own:
            model = self.model_of(watch)
            model.observer.forward_ends(raising=output is None and sys.exc_info()[0] is not None)
            model.opened(forward)
            self.latest = (model, forward)
            if forward.grad and not model.capture.described:
                model.capture.output(forward, output)
        for listener in self.listeners:
            listener.forward_ended(model, forward, output)

    def loss_called(self, call: LossCall) -> None:
        with self.own:
            if self.latest is not None and call.result.numel() == 1:
                self.latest[1].losses.append(call.result.detach())
            if call.result.requires_grad and len(self.calls) < MOST_CALLS:
                if self.latest is None or not self.latest[0].capture.described:
                    call.location = place()
                self.calls.append(call)
        for listener in self.listeners:
            listener.loss_computed(call)

    # ------------------------------------------------------------------------------------------- backward passes

    def wrap_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling() or self.in_backward or not self.active():
                return original(tensors, *args, **kwargs)
            roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            with self.own:
                self.backward_begins(roots)
            for listener in self.listeners:
                listener.backward_begun(roots)
            self.in_backward += 1
            try:
                result = original(tensors, *args, **kwargs)
            finally:
                self.in_backward -= 1
                self.reached.clear()
                self.calls.clear()
            for listener in self.listeners:
                listener.backward_ended(roots)
            return result

        return backward

    def backward_begins(self, roots: list[Tensor]) -> None:
        """Of the forwards since the last backward pass, the last ones that built a graph are trained on, the rest evaluated."""
        self.backwards += 1
        self.fresh = True
        step = self.steps
        for root in roots:
            if root.numel() != 1:
                continue
            loss = root.detach()
            value: float | Tensor = float(loss) if loss.device.type == "cpu" else loss.clone()
            if len(self.pending) >= MOST_PENDING:
                self.pending = [sum(p if isinstance(p, float) else p.sum() for p in self.pending)]
            self.pending.append(value)
            if isinstance(value, float) and not math.isfinite(value) and self.nonfinite_step is None:
                self.nonfinite_step = step
                if self.latest is not None:
                    self.latest[0].capture.not_finite(self.latest, self.calls, step)
        if roots and (step < 100 or is_observed(step, self.every)):
            self.graphs.tie(roots[0], step)
            self.graphs.location = self.graphs.location or user_location(sys._getframe(3))
        ended = []
        for model in self.models:
            model.observer.backward_begins()
            reference = next((f for f in reversed(model.open) if f.grad), None)
            if reference is None:
                continue
            trained = [f for f in model.open if f.grad and (f.training, f.loader) == (reference.training, reference.loader)]
            self.close_interval(model, trained)
            ended.append(model)
        if step < LABELLED and not self.labels.full:
            target = next(
                (c.target for c in self.calls if c.name in ("cross_entropy", "nll_loss") or not c.target.is_floating_point()),
                None,
            )
            if target is not None:
                self.labels.add(target)
        if self.latest is not None:
            self.keep_batches(self.latest[0], ended, roots, step)

    def keep_batches(self, latest: TrainedModel, ended: list[TrainedModel], roots: list[Tensor], step: int) -> None:
        """The first batches of the model whose output the loss was computed on, and of those whose output went into it."""
        with torch.no_grad():
            if not latest.capture.full:
                latest.capture.describe(self.calls, self.latest, roots, step)
            for model in ended:
                if model is not latest and model.last is not None and not model.capture.full:
                    model.capture.keep(model.watch, model.last, latest.capture)

    @property
    def capture(self) -> Capture:
        """What is kept of the model that the report shows."""
        from nnreport.inspector.watching.gather import main_index

        return self.models[main_index(self)].capture if self.models else Capture()

    def close_interval(self, model: TrainedModel, trained: list[Forward]) -> None:
        """The forwards since the last backward pass are told apart."""
        idle = [f for f in model.open if not any(f is t for t in trained)]
        for forward in trained:
            model.watch.trained(forward)
            model.loaders.add(forward.loader)
            model.kept = model.watch.root() if model.primary is not None else None
            model.watch.call_location = model.watch.call_location or forward.location
            model.last = forward
        if idle:
            self.evaluated = True
            model.evaluations.add(idle, model.step, model.loaders, trained, model.more)
        model.open.clear()
        model.more = 0

    # ----------------------------------------------------------------------------------------------------- steps

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        """Global hook before every step; a closure is wrapped, for the gradients come of it."""
        if not self.active() or torch.compiler.is_compiling():
            return None
        watch = self.watch_of(optimizer)
        if watch is None:
            if len(self.optimizers) >= MOST_OPTIMIZERS:
                return None
            with self.own:
                watch = self.optimizer_made(optimizer, sys._getframe(1))
            if watch is None:
                return None
        if self.leader is None or watch.steps > max(self.leader.steps + AHEAD, 1.5 * self.leader.steps):
            self.leader = watch
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        with self.own:
            if watch.steps == 0:
                self.first_step(watch)
            elif self.strangers:
                self.meet_strangers()
            watch.before_step(callable(closure))
            if not callable(closure):
                self.gradients_ready(watch)
        if not callable(closure):
            for listener in self.listeners:
                listener.before_step(watch)
            return None
        first = [True]

        def watched() -> Any:
            result = closure()
            if first[0]:
                first[0] = False
                with self.own:
                    watch.after_closure()
                    self.gradients_ready(watch)
                for listener in self.listeners:
                    listener.before_step(watch)
            return result

        if "closure" in kwargs:
            return args, {**kwargs, "closure": watched}
        return (args[0], watched, *args[2:]), kwargs

    def first_step(self, watch: OptimizerWatch) -> None:
        """Once for each optimizer: wrappers made since, and models that get gradients though no optimizer was made for them."""
        frame = sys._getframe(2)
        watch.step_location = user_location(frame)
        optimizer = watch.optimizer()
        watch.variable = variable_name(optimizer, frame)
        roots = [model.watch.root() for model in self.models]
        trained = [p for root in roots if root is not None for p in safe_parameters(root)]
        alive = modules_alive()
        for module in outermost(trained, alive):
            self.model_found(module, frame)
        known = {id(p) for p in trained}
        self.strangers = [(p, sampled(p.grad)) for p in with_gradient(alive) if id(p) not in known and not p.grad.is_sparse]
        for model in self.models:
            root = model.watch.root()
            owner = model.primary() if model.primary is not None else None
            if owner is not None and not owner.steps and any(each is model for _, each in watch.names.values()):
                model.primary = weakref.ref(watch)  # the one made first is never stepped, so far
            model.watch.variable = model.watch.variable or (variable_name(root, frame) if root is not None else "")

    def meet_strangers(self) -> None:
        """Parameters of no known model whose gradient has changed since the first step: backward passes reach them, too."""
        strangers, self.strangers = self.strangers, []
        found = [p for p, before in strangers if p.grad is not None and not torch.equal(sampled(p.grad), before)]
        if found:
            for module in outermost(found):
                model = self.model_found(module)
                if model is not None and not model.watch.variable:
                    model.watch.variable = variable_name(module, sys._getframe(3))

    def gradients_ready(self, watch: OptimizerWatch) -> None:
        """Just before the weights change."""
        if self.fresh or not self.group:
            self.group, self.pending, self.fresh = self.pending, [], False
        if self.group:
            total = self.group[0] if len(self.group) == 1 else sum(g if isinstance(g, float) else g.sum() for g in self.group)
            watch.losses.add(watch.steps, total)
        if is_observed(watch.steps, self.every):
            with torch.no_grad():
                for model in self.models:
                    if model.primary is not None and model.primary() is watch:
                        model.observer.before_step(watch.steps)
                look_for_unheld(self.models, self.optimizers)
                watch.orphans = find_orphans(watch, self.models)

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Global hook after every step."""
        if not self.active() or torch.compiler.is_compiling():
            return
        watch = self.watch_of(optimizer)
        if watch is None:
            return
        step = watch.steps
        with self.own:
            for model in self.models:
                if model.primary is not None and model.primary() is watch:
                    if is_observed(step, self.every):
                        with torch.no_grad():
                            model.observer.after_step(step)
                    model.watch.stepped(model.last, step)
                    if model.last is None:  # it is not what is trained, though its optimizer steps
                        model.kept = None
                    model.last = None
            watch.after_step(is_observed(step + 1, self.every))
            if watch is self.leader:
                self.timed(step)
                if is_observed(step, self.every):
                    self.graphs.look(step)
        for listener in self.listeners:
            listener.after_step(watch)
        if watch is self.leader and self.on_step is not None:
            self.on_step(watch.steps, self.group[0] if self.group and isinstance(self.group[0], float) else None)
        if self.limit is not None and watch.steps >= self.limit and self.on_limit is not None:
            self.on_limit()

    def timed(self, step: int) -> None:
        now = perf_counter()
        if self.started is None:
            self.started, self.once = now, self.own.seconds
        if self.last_step is not None and not self.evaluated:
            self.step_seconds.add(step, now - self.last_step)
        self.last_step = self.ended = now
        self.evaluated = False

    @property
    def steps(self) -> int:
        """Optimizer steps so far, of the optimizer that stepped most."""
        return max((w.steps for w in self.optimizers), default=0)


def autocast_dtype() -> str:
    """The dtype of the autocast that is on, without ``torch.``; ``""`` if none is."""
    for kind in ("cuda", "cpu"):
        if torch.is_autocast_enabled(kind):
            return str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
    return ""
