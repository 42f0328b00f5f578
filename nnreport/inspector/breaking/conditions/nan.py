"""``nan``: the first operation that emits a NaN or an infinity that nobody asked for, forward or backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from nnreport.facts import Location
from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.hit import Hit, label, named
from nnreport.inspector.breaking.operations import Operation, broken
from nnreport.inspector.locate import function_name, location_at
from nnreport.inspector.training.nonfinite import MASKING, bad, floating, literal_infinity
from nnreport.inspector.training.outputs import named_tensors

KEY = "nnreport"
"""Under which a node of the autograd graph knows the operation that built it."""
UNWRITTEN = frozenset(("empty_like", "new_empty", "empty_strided", "resize", "new_tensor", "ones", "rand", "randn"))
"""Operations that give memory with whatever was in it, or what they were told to."""


class NotFinite(Condition):
    """An infinity that the author wrote (a mask of ``-inf``), or that came of one, does not count; nor does a NaN that is only
    moved about. Under a GradScaler infinite gradients are part of the game: the backward pass is not looked at."""

    operations = modules = True

    def operation(self, operation: Operation) -> Hit | None:
        outputs = operation.outputs
        for output in outputs:
            if output.grad_fn is not None and torch.is_grad_enabled():
                self.remember(output, operation)
        spoilt = [t for t in outputs if broken(t)]
        if not spoilt or operation.name in MASKING or operation.name in UNWRITTEN:
            return None
        output = spoilt[0].detach()
        came = [t for t in operation.inputs if t is not spoilt[0] and broken(t)]
        nan, infinite = int(output.isnan().sum()), int(output.isinf().sum())
        if not nan and (came or operation.spoilt or literal_infinity((operation.args, operation.kwargs))):
            return None
        already = any(bool(t.detach().isnan().any()) for t in came)
        path = self.breakpoints.path
        what = f"{operation.name} in {label(path)} gives {counted(nan, infinite, output.numel())}"
        what += ", for it was given NaN" if already else ""
        here = {"output": operation.output, "inputs": operation.inputs, "module": self.breakpoints.module}
        return Hit(
            text=what,
            phase="forward" if self.breakpoints.inside else "loss",
            module=path,
            operation=operation.name,
            here=here,
            values={"nan": nan, "inf": infinite, "count": output.numel()},
        )

    def module_ended(self, path: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Hit | None:
        """What no operation showed: a custom ``autograd.Function``, a compiled or scripted module."""
        for _, tensor in named_tensors(output):
            if floating(tensor) and broken(tensor) and bool(tensor.detach().isnan().any()):
                if any(bool(t.detach().isnan().any()) for _, t in named_tensors((args, kwargs)) if floating(t)):
                    return None
                nan = int(tensor.detach().isnan().sum())
                return Hit(
                    text=f"{named(path, type(module).__name__)} gives {counted(nan, 0, tensor.numel())}",
                    phase="forward",
                    module=path,
                    cls=type(module).__name__,
                    here={"output": output, "inputs": args, "module": module},
                    values={"nan": nan, "count": tensor.numel()},
                )
        return None

    # -------------------------------------------------------------------------------------------------------- backward

    def remember(self, output: Tensor, operation: Operation) -> None:
        """The node knows which line built it. As autograd's anomaly mode does, but without its ending the script."""
        frame = self.breakpoints.user_frame()
        place = (frame.f_code, frame.f_lineno) if frame is not None else None
        node: Any = output.grad_fn
        node.metadata[KEY] = (operation.name, self.breakpoints.path, place)

    def backward_begun(self, roots: list[Tensor]) -> Hit | None:
        if self.breakpoints.scaled:  # a scaled loss may overflow, as may its gradients: that is how the scale is found
            return None
        for root in roots:
            if floating(root) and bad([root.detach()]):
                nan, infinite = int(root.detach().isnan().sum()), int(root.detach().isinf().sum())
                return Hit(
                    text=f"the loss is not finite: {counted(nan, infinite, root.numel())}",
                    phase="loss",
                    here={"loss": root},
                    values={"nan": nan, "inf": infinite, "count": root.numel()},
                )
        self.follow(roots)
        return None

    def follow(self, roots: list[Tensor]) -> None:
        """Looks at each node of the graph as the gradient passes it; a node without a line of its own belongs to the operation
        that it was reached from (the norm inside ``F.normalize``)."""
        waiting: list[tuple[Any, Any]] = [(root.grad_fn, None) for root in roots]
        known: set[Any] = set()
        while waiting:
            node, built = waiting.pop()
            if node is None or node in known:
                continue
            known.add(node)
            built = node.metadata.get(KEY, built)
            if isinstance(node, BackwardCFunction):  # the user's own: its line is its backward's
                own: Any = getattr(type(node), "_forward_cls", type(node))
                code = getattr(getattr(own, "backward", None), "__code__", None)
                built = (own.__name__, None, (code, code.co_firstlineno) if code is not None else None)
            self.hook(node, built)
            waiting.extend((following, built) for following, _ in node.next_functions)

    def hook(self, node: Any, built: Any) -> None:
        def seen(given: Any, received: Any) -> None:
            if self.armed and spoilt_one(given) and not spoilt_one(received):
                self.breakpoints.answer(self, self.backward_hit(node, built, given, received))

        self.breakpoints.until_backward_ends(node.register_hook(seen))

    def backward_hit(self, node: Any, built: Any, given: Any, received: Any) -> Hit:
        """A node was given finite gradients and gives others."""
        name, path, place = built or (node.name().partition("Backward")[0].lower(), None, None)
        wrong = next(g for g in given if g is not None and floating(g) and bad([g]))
        nan, infinite = int(wrong.isnan().sum()), int(wrong.isinf().sum())
        made: Location | None = location_at(place[0].co_filename, place[1], function_name(place[0])) if place else None
        variable = getattr(node, "variable", None)
        here: dict[str, Any] = {"gradient": wrong, "received": [g for g in received if g is not None]}
        here.update(saved(node))
        if variable is not None:
            here["parameter"] = variable
        where = f" in {label(path)}" if path is not None else ""
        return Hit(
            text=f"the gradient of {name}{where} holds {counted(nan, infinite, wrong.numel())}",
            phase="backward",
            module=path,
            operation=node.name(),
            here=here,
            values={"nan": nan, "inf": infinite, "count": wrong.numel()},
            made=made,
        )


def spoilt_one(gradients: Any) -> bool:
    """One of them is not finite."""
    return any(g is not None and floating(g) and broken(g) for g in gradients)


def saved(node: Any) -> dict[str, Tensor]:
    """The tensors that the forward kept for this node (``saved_self``); freed or changed ones cannot be read."""
    found: dict[str, Tensor] = {}
    for name in dir(node):
        if name.startswith("_saved_"):
            try:
                value = getattr(node, name)
            except RuntimeError:
                continue
            if isinstance(value, Tensor):
                found[name[1:]] = value
    return found


def counted(nan: int, infinite: int, count: int) -> str:
    """``3 NaN and 1 infinite value of 32``."""
    parts = ([f"{nan:,} NaN"] if nan else []) + ([f"{infinite:,} infinite"] if infinite else [])
    return f"{' and '.join(parts)} of {count:,} value{'' if count == 1 else 's'}"
