"""What a gradient reaches: one backward pass of a scalar of everything differentiable that the model gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nnreport.inspector.tracing.flops import FlopMode


@dataclass
class Backward:
    """What one backward pass found.

    Attributes:
        none: trainable parameters that no path of the autograd graph leads to.
        zero: those whose gradient is exactly zero.
        leaves: leaf tensors of the graph that are no parameters of the model and none of its inputs.
        inputs: input name -> a non-zero gradient arrived.
        error: what backward raised.
        failed: sequence number of the autograd node that raised, where that is known.
        name: of that node, ``ReluBackward0``.
        flops: FLOPs of the pass.
        outputs: names of the outputs that were differentiated; none: there was nothing to differentiate.
    """

    none: list[str] = field(default_factory=list)
    zero: list[str] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)
    inputs: dict[str, bool] = field(default_factory=dict)
    error: BaseException | None = None
    failed: int | None = None
    name: str = ""
    flops: int = 0
    uncounted: dict[str, int] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


def differentiable(tensor: Tensor) -> bool:
    return tensor.requires_grad and (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0


def reach_of(
    model: nn.Module,
    outputs: Sequence[tuple[str, Tensor]],
    names: Mapping[int, str],
    inputs: Mapping[str, Tensor],
    seed: int,
    count: Callable[[int], None] | None = None,
    watch: bool = False,
) -> Backward:
    """Differentiates all outputs at once, each weighed with fixed random numbers: in a plain sum a softmax or a normalised output
    would cancel to a gradient of zero.

    Args:
        model: a copy; its ``.grad`` are used and cleared.
        outputs: named tensors that its forward gave.
        names: ``id(parameter) -> name``; parameters that are not in it do not count.
        inputs: leaf tensors that require a gradient, by input name.
        seed: of the weights.
        count: told the FLOPs of each backward operation while its autograd node runs.
        watch: keep track of the node that runs, so that :attr:`Backward.failed` can name one that raises. Costs as much again.
    """
    found = Backward()
    roots = [(name, tensor) for name, tensor in outputs if differentiable(tensor)]
    found.outputs = [name for name, _ in roots]
    trainable = [p for p in model.parameters() if p.requires_grad and id(p) in names]
    if not roots:
        found.none = ordered(names[id(p)] for p in trainable)
        return found
    graph = autograd_nodes([tensor for _, tensor in roots])
    reached = {id(leaf): leaf for leaf in (getattr(node, "variable", None) for node in graph) if isinstance(leaf, Tensor)}
    reached |= {id(tensor): tensor for _, tensor in roots if tensor.is_leaf}
    given = {id(tensor) for tensor in inputs.values()}
    found.leaves = [leaf for key, leaf in reached.items() if key not in names and key not in given]
    for tensor in [*model.parameters(), *inputs.values()]:
        tensor.grad = None
    last: list[Any] = [None]
    hooks = [node.register_prehook(remember(last, node)) for node in graph] if watch else []
    generator = torch.Generator().manual_seed(seed)
    scalar = torch.stack([projected(tensor, generator) for _, tensor in roots]).sum()
    counter = FlopMode(count)
    try:
        with counter:
            scalar.backward()
    except Exception as error:
        found.error = error
        if last[0] is not None:
            found.failed, found.name = sequence_of(last[0]), last[0].name()
    finally:
        for hook in hooks:
            hook.remove()
    found.flops, found.uncounted = counter.total, counter.uncounted
    found.none = ordered(names[id(p)] for p in trainable if id(p) not in reached and p.grad is None)
    if found.error is None:
        found.zero = ordered(names[id(p)] for p in trainable if p.grad is not None and is_zero(p.grad))
        found.inputs = {name: tensor.grad is not None and not is_zero(tensor.grad) for name, tensor in inputs.items()}
    for tensor in [*model.parameters(), *inputs.values(), *found.leaves]:
        tensor.grad = None
    return found


def remember(last: list[Any], node: Any) -> Callable[[Any], None]:
    def before(gradients: Any) -> None:
        last[0] = node

    return before


def sequence_of(node: Any) -> int | None:
    """Number of an autograd node in the order of the forward."""
    return int(node._sequence_nr()) if hasattr(node, "_sequence_nr") else None


def autograd_nodes(tensors: Sequence[Tensor]) -> list[Any]:
    """All nodes of the autograd graph behind these tensors, each once."""
    stack = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen: dict[Any, None] = {}
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen[node] = None
        stack += [before for before, _ in node.next_functions if before is not None and before not in seen]
    return list(seen)


def projected(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """The sum of the tensor's elements, each times a normal number of its own (the same ones on every device).

    A scalar, not ``backward(weights)``: given weights, torch imports sympy, which takes a second.
    """
    real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    weights = torch.randn(real.shape, generator=generator).to(device=real.device, dtype=real.dtype)
    return (real * weights).sum().float()


def is_zero(gradient: Tensor) -> bool:
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return not bool((values != 0).any())


def ordered(names: Any) -> list[str]:
    return list(dict.fromkeys(names))
