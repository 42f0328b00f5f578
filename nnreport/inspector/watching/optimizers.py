"""One optimizer under watch: whether each of its steps had gradients of its own, and only those."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nnreport.facts import Location, OptimizerRun
from nnreport.inspector.training.optimizers import readable
from nnreport.inspector.watching.log import Log
from nnreport.inspector.weighing.statistics import stride_for

WITNESSES = 3
"""Parameters whose gradients are followed, of each optimizer."""
ELEMENTS = 256
"""Elements of a witness that are compared."""
FOLLOWED = 30
"""Steps at the beginning that are all followed; later ones where the watch looks anyway."""


def sampled(tensor: Tensor) -> Tensor:
    """A copy of at most :data:`ELEMENTS` elements, always the same ones."""
    flat = tensor.detach().reshape(-1)
    if flat.numel() > ELEMENTS:
        flat = flat[:: stride_for(flat.numel(), tensor.shape[-1], ELEMENTS)]
    return flat.clone()


class Witness:
    """One parameter: what its gradient was when we last looked, and what has become of it."""

    def __init__(self, parameter: Tensor, owner: OptimizerWatch) -> None:
        self.parameter = weakref.ref(parameter)
        self.owner = weakref.ref(owner)
        self.known: Tensor | None = None
        """A sample of the gradient, after the last backward pass or step."""
        self.start = sampled(parameter)
        self.kept = self.cleared = False
        self.arrived = 0
        self.handles: list[Any] = []
        self.attach(everything=True)

    def attach(self, everything: bool) -> None:
        """Hooks for a step that is followed, or only the one that counts backward passes."""
        self.release()
        parameter = self.parameter()
        if parameter is None or not parameter.is_leaf or not parameter.requires_grad:
            return
        self.handles.append(parameter.register_post_accumulate_grad_hook(self.after))
        if everything:
            self.handles.append(parameter.register_hook(self.before))

    def before(self, gradient: Tensor) -> None:
        """A gradient is about to be added to what is there."""
        owner, parameter = self.owner(), self.parameter()
        if owner is not None and owner.following and parameter is not None:
            self.look(parameter.grad)

    def look(self, there: Tensor | None) -> None:
        """Compares the gradient that is there with the one that was left: was it cleared, or kept?"""
        if there is None or there.is_sparse:
            self.cleared = self.cleared or there is None
            return
        now = sampled(there)
        if not bool(now.any()):
            if self.known is not None and bool(self.known.any()):
                self.cleared = True
        elif self.known is not None and now.shape == self.known.shape and torch.equal(now, self.known):
            self.kept = True
        else:  # somebody changed it: whoever does that knows that it is there
            self.cleared = True

    def after(self, parameter: Tensor) -> None:
        """A gradient was added."""
        self.arrived += 1
        owner = self.owner()
        if owner is None:
            return
        owner.reached()
        if owner.following:
            self.remember(parameter)

    def remember(self, parameter: Tensor) -> None:
        gradient = parameter.grad
        self.known = None if gradient is None or gradient.is_sparse else sampled(gradient)

    def fresh(self) -> bool | None:
        """Has it been given a gradient since the last step, by a backward pass or by hand? None where that cannot be told."""
        parameter = self.parameter()
        if parameter is None:
            return None
        gradient = parameter.grad
        if gradient is None:
            return False
        if self.arrived:  # and was not cleared again before the step
            emptied = self.known is not None and not gradient.is_sparse and bool(self.known.any())
            return not (emptied and not bool(sampled(gradient).any()))
        if gradient.is_sparse or self.known is None:
            return None if gradient.is_sparse else True
        return not torch.equal(sampled(gradient), self.known)

    def new_step(self) -> None:
        """A step was made; what follows belongs to the next."""
        self.kept = self.cleared = False
        self.arrived = 0
        parameter = self.parameter()
        if parameter is not None:
            self.remember(parameter)

    def release(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()


class OptimizerWatch:
    """Follows one optimizer.

    Args:
        optimizer: not kept alive.
        on_reach: called when a backward pass has reached its parameters.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, on_reach: Callable[[OptimizerWatch], None]) -> None:
        self.optimizer = weakref.ref(optimizer)
        self.key = id(optimizer)
        self.on_reach = on_reach
        self.location: Location | None = None
        self.step_location: Location | None = None
        self.variable = ""
        self.name = type(optimizer).__name__
        self.settings = dict(readable(optimizer.param_groups[0])) if optimizer.param_groups else {}
        self.settings.pop("params", None)
        self.losses = Log()
        self.rates = Log()
        self.steps = self.looked = self.piled = self.without = self.empty = self.backwards = 0
        self.attempts = 0
        """Steps that a GradScaler was asked for."""
        self.closure = False
        self.following = True
        self.counted = -1
        self.orphans: list[str] = []
        """Names of the parameters that had left their model at the last look."""
        self.names: dict[int, tuple[str, Any]] = {}
        """id of a parameter -> (its name in the model when the optimizer was made, a weak reference to it)."""
        self.references: list[weakref.ref[Tensor]] = []
        self.refer()
        self.witnesses = [Witness(p, self) for p in witnesses(self.parameters())]

    def refer(self) -> None:
        """Remembers the tensors that it holds."""
        self.references = [weakref.ref(p) for p in self.parameters()]

    def parameters(self) -> list[Tensor]:
        """All tensors it holds now, or held when it was last looked at, if it is gone."""
        optimizer = self.optimizer()
        if optimizer is None:
            return [p for reference in self.references if (p := reference()) is not None]
        return [p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)]

    def reached(self) -> None:
        self.on_reach(self)

    def before_step(self, closure: bool) -> None:
        """``step`` was called: looks at where its gradients come from."""
        self.closure = self.closure or closure
        if not self.following or self.steps == 0 or closure:
            return
        self.looked += 1
        self.judge()

    def after_closure(self) -> None:
        """The closure of ``step`` has run for the first time: now the gradients are there."""
        if self.following and self.steps > 0:
            self.looked += 1
            self.judge()

    def judge(self) -> None:
        told = [w.fresh() for w in self.witnesses]
        if told and all(fresh is False for fresh in told):
            self.without += 1
            if not any(p.grad is not None for p in self.parameters()):
                self.empty += 1
        if any(w.kept for w in self.witnesses) and not any(w.cleared for w in self.witnesses):
            self.piled += 1

    def after_step(self, follow: bool) -> None:
        """The step is done; ``follow`` the next one, or let it run bare."""
        self.steps += 1
        optimizer = self.optimizer()
        if optimizer is not None and optimizer.param_groups:
            rate = optimizer.param_groups[0].get("lr")
            if isinstance(rate, (int, float)):
                self.rates.add(self.steps - 1, float(rate))
        following = follow or self.steps < FOLLOWED
        if following != self.following:  # a step that nobody looks at runs without our hooks, but for the one that counts
            self.following = following
            for witness in self.witnesses:
                witness.attach(everything=True) if following else witness.release()
            if not following and self.witnesses:
                self.witnesses[0].attach(everything=False)
        if following:
            self.refer()
            for witness in self.witnesses:
                witness.new_step()

    def moved(self) -> bool | None:
        """Do its parameters hold other values than at first?"""
        answers = []
        for witness in self.witnesses:
            parameter = witness.parameter()
            if parameter is not None and parameter.numel():
                now = sampled(parameter)
                if now.shape != witness.start.shape or now.device != witness.start.device:
                    return True
                answers.append(not torch.equal(now, witness.start))
        return any(answers) if answers else None

    def release(self) -> None:
        for witness in self.witnesses:
            witness.release()

    def record(self) -> OptimizerRun:
        """What is known, but for what concerns the models."""
        parameters = self.parameters()
        return OptimizerRun(
            name=self.name,
            variable=self.variable,
            settings=self.settings,
            tensors=len(parameters),
            elements=sum(p.numel() for p in parameters),
            steps=self.steps,
            looked=self.looked,
            piled=self.piled,
            stale_gradients=self.without,
            empty=self.empty,
            backwards=self.backwards,
            passes=self.backwards / self.steps if self.steps else 0.0,
            moved=self.moved(),
            closure=self.closure,
            location=self.location,
            step_location=self.step_location,
            losses=self.losses.series(),
            rates=self.rates.series(),
        )


def witnesses(parameters: list[Tensor]) -> list[Tensor]:
    """The first, the last and the smallest of those that are trained."""
    trained = [p for p in parameters if p.requires_grad and p.is_leaf and p.numel() and p.is_floating_point()]
    if not trained:
        return []
    chosen = [trained[-1], trained[0], min(trained, key=lambda p: p.numel())]
    return list({id(p): p for p in chosen}.values())[:WITNESSES]
