"""One model under watch: through which modules it is called, for training or for evaluation, and in which mode."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from nnreport.facts import Location
from nnreport.inspector.blame import user_location
from nnreport.inspector.training.outputs import named_tensors
from nnreport.inspector.watching.copies import OURS, Absent
from nnreport.inspector.watching.discovery import is_compiled, is_compiled_itself

LEARNT_AFTER = 2
"""Training steps after which it is known through which modules a model is called; the hooks on all others go."""


@dataclass
class Forward:
    """One call of the model from outside."""

    entry: nn.Module
    grad: bool
    training: bool
    """The called module was in train mode."""
    moving: list[str]
    """Dropout and batch normalisation modules in train mode, if it was."""
    loader: int | None
    """The loader that gave the last batch."""
    inputs: list[weakref.ref[Tensor]]
    """The first few input tensors, not kept alive."""
    size: int | None
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """What it was called with; kept until the next forward."""
    location: Location | None = None
    losses: list[Tensor] = field(default_factory=list)
    """Losses computed from it."""

    def shares_input(self, other: Forward) -> bool:
        """Both were given the same memory, and it is still theirs: an address alone may have changed hands."""
        mine = {t.data_ptr() for t in living(self.inputs)}
        return any(t.data_ptr() in mine for t in living(other.inputs))


class ModelWatch:
    """Hooks on a model and its parts.

    Args:
        root: the user's own module, without wrappers.
        wrappers: around it.
        active: asked at each call: is the watch on, in this thread, outside a backward pass?
        begun: called with the forward when a call from outside begins (args, kwargs too).
        ended: called with the forward and its output when it ends.
        loader: gives the index of the loader that gave the last batch.
    """

    def __init__(
        self,
        root: nn.Module,
        wrappers: list[nn.Module],
        active: Callable[[], bool],
        begun: Callable[[ModelWatch, Forward, tuple[Any, ...], dict[str, Any]], None],
        ended: Callable[[ModelWatch, Forward, Any], None],
        loader: Callable[[], int | None],
    ) -> None:
        self.root = weakref.ref(root)
        self.cls = type(root)
        self.wrappers = [type(w).__name__ for w in wrappers]
        self.active, self.begun, self.ended, self.loader = active, begun, ended, loader
        self.names = {id(m): name for name, m in root.named_modules()}
        self.parameter_names = {id(p): name for name, p in root.named_parameters()}
        self.compiled = any(is_compiled(m) for m in [root, *wrappers])
        self.variable = ""
        self.dropouts = [(n, m) for n, m in root.named_modules() if isinstance(m, _DropoutNd) and m.p > 0]
        self.norms = [(n, m) for n, m in root.named_modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        self.depth = 0
        self.current: Forward | None = None
        self.entries: dict[int, str] = {}
        self.call_location: Location | None = None
        self.training_calls: set[Any] = set()
        self.handles: dict[int, list[Any]] = {}
        self.train_forwards = self.steps = self.train_steps = self.eval_steps = 0
        self.eval_after: int | None = None
        self.settled = False
        whole = any(is_compiled_itself(m) for m in [*wrappers, root])
        outer = [root] if whole else [m for m in root.modules() if is_compiled_itself(m)]
        inside = {id(part) for module in outer for part in module.modules() if part is not module}
        for module in [*wrappers, *root.modules()]:
            if id(module) not in inside:  # a hook in there would be compiled, too, and compiled again when it goes
                self.hook(module)

    def hook(self, module: nn.Module) -> None:
        """Looks at the calls of one module."""
        if id(module) in self.handles or isinstance(module, torch.jit.ScriptModule):
            return
        if getattr(module, "_compiled_call_impl", None) is not None:
            self.handles[id(module)] = [CompiledCall(module, self)]
            return
        handles = [
            module.register_forward_pre_hook(self.before, with_kwargs=True, prepend=True),
            module.register_forward_hook(self.after, with_kwargs=True, always_call=True),
        ]
        self.handles[id(module)] = handles
        OURS.update(handle.id for handle in handles)

    def __deepcopy__(self, memo: Any) -> Absent:
        return Absent()

    def __reduce__(self) -> tuple[type[Absent], tuple[()]]:
        return Absent, ()

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if torch.compiler.is_compiling() or not self.active():
            return
        self.depth += 1
        if self.depth > 1:
            return
        tensors = [t for _, t in named_tensors((args, kwargs))][:4]
        training = module.training
        self.current = Forward(
            entry=module,
            grad=torch.is_grad_enabled(),
            training=training,
            moving=self.moving() if training else [],
            loader=self.loader(),
            inputs=[weakref.ref(t) for t in tensors],
            size=next((t.shape[0] for t in tensors if t.dim()), None),
        )
        if id(module) not in self.entries:
            self.entries[id(module)] = self.names.get(id(module), "")
        self.begun(self, self.current, args, kwargs)

    def after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if torch.compiler.is_compiling() or self.depth == 0 or not self.active():
            return
        self.depth -= 1
        if self.depth == 0 and self.current is not None:
            forward, self.current = self.current, None
            self.ended(self, forward, output)

    def moving(self) -> list[str]:
        """Modules that behave otherwise in evaluation, and are in train mode now. A batch normalisation whose momentum is None
        is being calibrated (``update_bn``), as it must be in train mode."""
        return [n for n, m in self.dropouts if m.training] + [n for n, m in self.norms if m.training and m.momentum is not None]

    def trained(self, forward: Forward) -> None:
        """A backward pass came from this forward."""
        self.train_forwards += 1

    def stepped(self, forward: Forward | None, step: int) -> None:
        """An optimizer step was made after that training forward."""
        self.steps += 1
        if forward is not None and (self.dropouts or self.norms):
            still = not forward.training and not any(m.training for _, m in [*self.dropouts, *self.norms])
            if still:
                self.eval_steps += 1
                if self.train_steps and self.eval_after is None:
                    self.eval_after = step
            else:
                self.train_steps += 1
        if not self.settled and self.train_forwards >= LEARNT_AFTER and self.entries:
            self.settle()

    def settle(self) -> None:
        """From now on only the modules through which it is called, and the outermost, are looked at."""
        self.settled = True
        root = self.root()
        kept = set(self.entries)
        if root is not None:
            kept.add(id(root))
            if "" not in self.entries.values():  # it is called in parts, and evaluation may call others
                kept.update(id(child) for child in root.children())
        known = set(self.names)
        for key in [key for key in self.handles if key not in kept and key in known]:
            for handle in self.handles.pop(key):
                handle.remove()

    def release(self) -> None:
        for handles in self.handles.values():
            for handle in handles:
                handle.remove()
        self.handles.clear()


class CompiledCall:
    """Stands before the compiled call of a module that was compiled in place: its hooks are part of what is compiled."""

    def __init__(self, module: nn.Module, watch: ModelWatch) -> None:
        self.module = weakref.ref(module)
        original: Any = module._compiled_call_impl
        self.original = original

        def call(*args: Any, **kwargs: Any) -> Any:
            here = self.module()
            if here is None:
                return original(*args, **kwargs)
            watch.before(here, args, kwargs)
            output = None
            try:
                output = original(*args, **kwargs)
            finally:
                watch.after(here, args, kwargs, output)
            return output

        self.wrapped = module._compiled_call_impl = call

    def remove(self) -> None:
        """The compiled call as it was, unless it has been compiled anew."""
        module = self.module()
        if module is not None and module._compiled_call_impl is self.wrapped:
            module._compiled_call_impl = self.original


def living(references: list[weakref.ref[Tensor]]) -> list[Tensor]:
    """The tensors that still are, and have an address."""
    found = [reference() for reference in references]
    return [t for t in found if t is not None and t.layout == torch.strided and t.device.type != "meta" and t.numel()]


def caller() -> Location | None:
    """The user's line that is running."""
    return user_location(sys._getframe(2))


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
