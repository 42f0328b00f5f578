"""Hears what the watch hears, asks the conditions, and stops where one comes true."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.breakspec import BreakSpec
from nnreport.events import AnyEvent, BreakEvent, NoteEvent
from nnreport.facts import Break, number
from nnreport.inspector.breaking import frames
from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.conditions import CONDITIONS
from nnreport.inspector.breaking.debugger import Console, has_terminal
from nnreport.inspector.breaking.hit import Hit
from nnreport.inspector.breaking.known import Judge, Known
from nnreport.inspector.breaking.operations import Operation, Operations
from nnreport.inspector.breaking.tensors import at_hand, table
from nnreport.inspector.watching.forwards import Forward
from nnreport.inspector.watching.listener import Listener
from nnreport.inspector.watching.optimizers import OptimizerWatch
from nnreport.inspector.watching.trained import TrainedModel
from nnreport.inspector.watching.watcher import Watcher


class Breakpoints(Listener):
    """All breakpoints of one run.

    Args:
        specs: what was asked for.
        watcher: the watch that is on.
        emit: takes the event of each hit, and notes at the end.
        judge: asks a check; None where there are none to ask.
        seed: of what is random in a trace.
        terminal: open the debugger; None: where both ends of the terminal are there.
        tables: without a terminal print the tensors at hand, too.

    Attributes:
        scaled: a GradScaler is at work.
        hits: how many there were.
    """

    def __init__(
        self,
        specs: list[BreakSpec],
        watcher: Watcher,
        emit: Callable[[AnyEvent], None],
        judge: Judge | None = None,
        seed: int = 0,
        terminal: bool | None = None,
        tables: bool = False,
    ) -> None:
        self.watcher, self.emit, self.judge, self.seed = watcher, emit, judge, seed
        self.conditions: list[Condition] = [CONDITIONS[spec.kind](spec, self) for spec in specs]
        self.terminal = has_terminal() if terminal is None else terminal
        self.tables = tables
        self.console: Console | None = None
        self.known: Known | None = None
        self.scaled = False
        self.hits = 0
        self.busy = self.checked = self.compiled = False
        self.stack: list[tuple[str, nn.Module]] = []
        self.modules = any(c.modules or c.operations for c in self.conditions)
        self.handles: list[Any] = []
        self.passing: list[Any] = []
        self.deferred: list[tuple[Condition, Hit]] = []
        self.paths: list[str] = []
        self.mode: Operations | None = None

    # ------------------------------------------------------------------------------------------------- on and off

    def install(self) -> Breakpoints:
        """Begins to listen. A run without breakpoints never comes here, and pays nothing."""
        self.watcher.listeners.append(self)
        self.watcher.patches.wrap(torch.amp.GradScaler, "scale", self.wrap_scale)
        if any(c.operations for c in self.conditions):
            finite = any(c.spec.kind == "nan" for c in self.conditions)
            self.mode = Operations(self.listening, self.heard, finite)
            self.mode.__enter__()
        return self

    def release(self) -> None:
        """Every hook goes; breakpoints that never could be hit are told of."""
        for handle in [*self.handles, *self.passing]:
            handle.remove()
        self.handles.clear()
        self.passing.clear()
        self.leave_mode()
        if self in self.watcher.listeners:
            self.watcher.listeners.remove(self)
        for condition in self.conditions:
            said = condition.ended() if condition.armed and not condition.hit else ""
            if said:
                self.tell(said)

    def leave_mode(self) -> None:
        """No operation is listened to any more; a mode below another's stays, and lets everything pass."""
        mode, self.mode = self.mode, None
        if mode is None:
            return
        mode.listening = lambda: False
        stack = torch.overrides._get_current_function_mode_stack()
        if stack and stack[-1] is mode:
            mode.__exit__(None, None, None)

    def wrap_scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def scale(scaler: Any, outputs: Any) -> Any:
            self.scaled = self.scaled or bool(scaler.is_enabled())
            with self.undisturbed():
                return original(scaler, outputs)

        return scale

    def tell(self, line: str) -> None:
        """One line for the user now, and for the reader of the report."""
        print(f"nnreport: {line}", file=sys.stderr, flush=True)
        self.emit(NoteEvent(text=line[0].upper() + line[1:] + "."))

    # ----------------------------------------------------------------------------------------------------- asking

    def listening(self) -> bool:
        """Are operations looked at? In a forward, and wherever a gradient is built after it; not in a backward pass."""
        return (bool(self.stack) or (bool(self.watcher.models) and torch.is_grad_enabled())) and self.attentive()

    def attentive(self) -> bool:
        if torch.compiler.is_compiling() or self.busy or self.watcher.own.inside or torch.jit.is_tracing():
            return False
        return self.watcher.hears()

    def ask(self, question: str, *args: Any) -> None:
        """Puts it to every armed condition, and stops at the first that says yes."""
        for condition in self.conditions:
            if not condition.armed:
                continue
            hit: Hit | None = None
            with self.undisturbed(), self.watcher.own:
                hit = getattr(condition, question)(*args)
            if hit is not None:
                self.answer(condition, hit)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What we do ourselves is not looked at."""
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before

    def heard(self, operation: Operation) -> None:
        """As :meth:`ask`, for what comes a thousand times a step."""
        if not self.stack and not any(t.requires_grad for t in operation.outputs):
            return  # preparing data is not the model's business
        for condition in self.conditions:
            if condition.operations and condition.armed:
                hit: Hit | None = None
                self.busy = True
                try:
                    with self.watcher.own:
                        hit = condition.operation(operation)
                finally:
                    self.busy = False
                if hit is not None:
                    self.answer(condition, hit)

    # ----------------------------------------------------------------------------------------------- what is heard

    def model_found(self, model: TrainedModel) -> None:
        root = model.watch.root()
        if root is None:
            return
        if model.watch.compiled:  # what the compiler traces must not be ours
            self.leave_mode()
            self.compiled = True
        self.paths += [""] if model.watch.compiled else list(model.watch.names.values())
        if self.modules:
            for name, module in root.named_modules():
                if (not model.watch.compiled or not name) and not isinstance(module, torch.jit.ScriptModule):
                    self.hook(name, module)

    def hook(self, path: str, module: nn.Module) -> None:
        """Follows the calls of one module."""

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self.attentive():
                self.stack.append((path, module))
                self.ask("module_begins", path, module, args, kwargs)

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if self.attentive():
                while self.stack:
                    ended = self.stack.pop()[1]
                    if ended is module:
                        break
                if output is not None:
                    self.ask("module_ended", path, module, args, kwargs, output)

        self.handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(module.register_forward_hook(after, with_kwargs=True, always_call=True))

    def forward_begun(self, model: TrainedModel, forward: Forward) -> None:
        self.stack.clear()

    def backward_begun(self, roots: list[Tensor]) -> None:
        self.stack.clear()
        if not self.busy:
            self.ask("backward_begun", roots)

    def backward_ended(self, roots: list[Tensor]) -> None:
        for handle in self.passing:
            handle.remove()
        self.passing.clear()
        waiting, self.deferred = self.deferred, []
        for condition, hit in waiting:
            self.stop(condition, hit)
        if not self.busy:
            self.ask("backward_ended", roots)

    def until_backward_ends(self, handle: Any) -> None:
        """A hook that is of use in this backward pass alone."""
        self.passing.append(handle)

    def before_step(self, watch: OptimizerWatch) -> None:
        if self.busy:
            return
        if not self.checked:
            self.checked = True
            for condition in self.conditions:
                if condition.spec.kind in ("forward", "backward") and condition.armed:
                    said = condition.spec.unmatched(self.paths)
                    if said and self.compiled:
                        said = f"--break-on {condition.spec.text}: inside a compiled model no module can be seen"
                    if said:
                        condition.armed = False
                        self.tell(said)
        self.ask("before_step", watch)

    def after_step(self, watch: OptimizerWatch) -> None:
        if not self.busy:
            self.ask("after_step", watch)

    # ---------------------------------------------------------------------------------------------------- at hand

    @property
    def inside(self) -> bool:
        """A forward of the model is running."""
        return bool(self.stack)

    @property
    def path(self) -> str | None:
        """Of the innermost module that is running; None outside the model."""
        return self.stack[-1][0] if self.stack else None

    @property
    def module(self) -> nn.Module | None:
        return self.stack[-1][1] if self.stack else None

    def user_frame(self) -> FrameType | None:
        """The user's innermost frame now."""
        return frames.user_frame(sys._getframe(1))

    # --------------------------------------------------------------------------------------------------- stopping

    def answer(self, condition: Condition, hit: Hit) -> Any:
        """A condition came true: once. In a thread that is not the script's (a backward pass on an accelerator) it waits for the
        end of the pass. Gives the trace function of a debugger that goes on step by step, else None."""
        condition.armed = False
        if threading.get_ident() != self.watcher.thread:
            self.deferred.append((condition, hit))
            return None
        return self.stop(condition, hit)

    def stop(self, condition: Condition, hit: Hit) -> Any:
        """Records it, and opens the debugger where there is a terminal."""
        self.hits += 1
        condition.armed, condition.hit = False, True
        if hit.error is not None:
            found = frames.innermost(hit.trace)
            frame, line = found if found is not None else (None, None)
        else:
            frame, line = hit.frame or self.user_frame(), None
        with self.undisturbed():
            record = self.record(condition, hit, frame, line)
            self.emit(BreakEvent(hit=record))
            if not self.terminal:
                place = record.made if record.kind == "nan" and record.made is not None else record.location
                where = f" ({place.path}:{place.line})" if place else ""
                lines = [f"nnreport: {record.what}: {record.text}{where}", *(table(record.tensors) if self.tables else [])]
                print("\n".join(lines), file=sys.stderr, flush=True)
                return None
            self.console = self.console or Console(self)
            return self.console.open(condition, hit, record, frame)

    def record(self, condition: Condition, hit: Hit, frame: FrameType | None, line: int | None) -> Break:
        """The hit as plain data."""
        location = hit.location or frames.location_of(frame, line)
        return Break(
            what=condition.spec.text,
            kind=condition.spec.kind,
            text=hit.text,
            step=self.watcher.steps,
            phase=hit.phase,
            module=hit.module,
            cls=hit.cls,
            operation=hit.operation,
            location=location,
            made=hit.made,
            tensors=at_hand(hit.here, frame),
            values={name: number(value) for name, value in hit.values.items()},
            terminal=self.terminal,
        )

    def failed(self, error: BaseException) -> None:
        """The script's own exception, if ``error`` was asked for: a look at it post mortem."""
        for condition in self.conditions:
            if condition.armed and condition.spec.kind == "error":
                first = next((each.strip() for each in str(error).splitlines() if each.strip()), "")
                text = f"{type(error).__name__}{': ' if first else ''}{first}"
                self.stop(condition, Hit(text=text, error=error, here={"error": error}))
                return

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While somebody types, nothing is watched: what runs at the prompt is no part of the script, nor is the time."""
        watcher = self.watcher
        on, watcher.on = watcher.on, False
        start = perf_counter()
        observers = [m.observer.activations.watch for m in watcher.models if m.observer.activations is not None]
        enabled = [each.enabled for each in observers]
        for each in observers:
            each.enabled = False
        try:
            with self.undisturbed():
                yield
        finally:
            watcher.on = on
            for each, was in zip(observers, enabled, strict=True):
                each.enabled = was
            watcher.last_step = None
            if watcher.started is not None:
                watcher.started += perf_counter() - start
