"""Seconds of each module, forward and backward.

Forward: hooks around every call. Backward: autograd numbers the nodes that a forward makes, in order, so the numbers at a
module's entry and exit say which nodes are its own; a hook before each node then tells whose turn it is. Nothing is put between
the model's tensors (as ``register_full_backward_hook`` would, which breaks in-place operations).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.inspector.training.outputs import named_tensors

LATEST = 2**63
"""Numbers beyond it mark the nodes that write ``.grad``: they are no module's but a parameter's."""


class ModuleTimer:
    """Times one or more steps of a copy.

    Args:
        model: the copy that runs.
        wait: waits for the device; called wherever a time is taken.
    """

    def __init__(self, model: nn.Module, wait: Callable[[], None]) -> None:
        self.wait = wait
        self.names = {id(module): name for name, module in model.named_modules()}
        self.modules = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]  # those take no hooks
        self.owners = {id(p): name for name, m in model.named_modules() for p in m.parameters(recurse=False)}
        self.calls: Counter[str] = Counter()
        self.forward: dict[str, float] = defaultdict(float)
        self.forward_total: dict[str, float] = defaultdict(float)
        self.backward: dict[str, float] = defaultdict(float)
        self.backward_total: dict[str, float] = defaultdict(float)
        self.output_bytes: dict[str, int] = defaultdict(int)
        self.open: list[tuple[str, float, list[float]]] = []
        self.marks: list[tuple[int, tuple[str, ...]]] = []
        self.recording = False
        self.number: Callable[[], int] | None = getattr(torch._C._autograd, "_get_sequence_nr", None)

    # ----------------------------------------------------------------------------------------------------------- forward

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, forwards are timed. Hooks are gone afterwards."""
        handles = [m.register_forward_pre_hook(self.enter) for m in self.modules]
        handles += [m.register_forward_hook(self.leave) for m in self.modules]
        self.recording, self.open, self.marks = True, [], []
        try:
            yield
        finally:
            self.recording = False
            for handle in handles:
                handle.remove()

    def mark(self) -> None:
        if self.number is not None:
            self.marks.append((self.number(), tuple(name for name, _, _ in self.open)))

    def enter(self, module: nn.Module, args: Any) -> None:
        if not self.recording:  # recomputed in the backward pass
            return
        self.wait()
        self.open.append((self.names[id(module)], perf_counter(), [0.0]))
        self.mark()

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        name = self.names[id(module)]
        if not self.recording or not self.open or self.open[-1][0] != name:
            return
        self.wait()
        _, start, children = self.open.pop()
        spent = perf_counter() - start
        self.mark()
        self.calls[name] += 1
        self.forward[name] += spent - children[0]
        if name not in (each[0] for each in self.open):
            self.forward_total[name] += spent
        if self.open:
            self.open[-1][2][0] += spent
        self.output_bytes[name] += sum(t.numel() * t.element_size() for _, t in named_tensors(output))

    # ---------------------------------------------------------------------------------------------------------- backward

    def run_backward(self, loss: Tensor) -> bool:
        """Calls ``loss.backward()``, timed by module. False where it ran without the split."""
        if self.number is None or loss.grad_fn is None:
            loss.backward()
            return False
        numbers = [number for number, _ in self.marks]
        clock = Turns(self.wait)
        handles = []
        for node in nodes_of(loss.grad_fn):
            handles.append(node.register_prehook(partial(clock.turn, self.owner(node, numbers))))
        try:
            clock.begin()
            loss.backward()
            clock.turn((), None)
        finally:
            for handle in handles:
                handle.remove()
        for stack, seconds in clock.spent.items():
            if stack:
                self.backward[stack[-1]] += seconds
            for name in set(stack):
                self.backward_total[name] += seconds
        return True

    def owner(self, node: Any, numbers: list[int]) -> tuple[str, ...]:
        """The modules in whose calls a node was made, outermost first."""
        number = node._sequence_nr()
        if number >= LATEST:
            name = self.owners.get(id(getattr(node, "variable", None)))
            if name is None:
                return ()
            parts = name.split(".") if name else []
            return ("", *(".".join(parts[: i + 1]) for i in range(len(parts))))
        place = bisect_right(numbers, number) - 1
        return self.marks[place][1] if place >= 0 else ()


class Turns:
    """Whose turn it is in the backward pass, and how long it lasts."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self.wait = wait
        self.spent: dict[tuple[str, ...], float] = defaultdict(float)
        self.current: tuple[str, ...] = ()
        self.since = 0.0

    def begin(self) -> None:
        self.current = ()
        self.since = perf_counter()

    def turn(self, whose: tuple[str, ...], gradients: Any) -> None:
        if whose == self.current:
            return
        self.wait()
        now = perf_counter()
        self.spent[self.current] += now - self.since
        self.current, self.since = whose, now


def nodes_of(root: Any) -> list[Any]:
    """Every node of an autograd graph, once."""
    seen = {root}
    waiting = [root]
    found = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)
    return found
