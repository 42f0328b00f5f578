"""What the tests of tracing share: trace a model on values, find nodes, and see that nothing of the model moved."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nnreport.facts import Module, Node, Tree
from nnreport.inspector.feeding.inputs import sample_of
from nnreport.inspector.tracing.trace import Traced, trace
from nnreport.inspector.tracing.tree import read_tree


def net(forward: Callable[..., Any], **layers: nn.Module) -> nn.Module:
    """A module with these layers and this forward."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    Net.forward = forward  # type: ignore[method-assign]
    return Net()


def traced(model: nn.Module, *args: Any, **kwargs: Any) -> tuple[Traced, Tree]:
    """The trace of ``model(*args, **kwargs)``, and the tree that it filled in."""
    tree = read_tree(model)
    return trace(model, sample_of(model, args, kwargs, "test"), tree, 0), tree


def node(found: Traced, name: str, nth: int = 0) -> Node:
    return [each for each in found.graph.nodes if each.name == name][nth]


def names(found: Traced) -> list[str]:
    """Operations in order."""
    return [each.name for each in found.graph.nodes if each.kind == "op"]


def module(tree: Tree, path: str) -> Module:
    return next(each for each in tree.modules if each.path == path)


def fingerprint(model: nn.Module) -> list[Any]:
    """All of a model that the trace must leave alone: values, flags, gradients, hooks, attributes."""
    state: list[Any] = []
    for path, each in model.named_modules():
        hooks = [len(getattr(each, name)) for name in vars(each) if name.endswith("_hooks")]
        plain = sorted(name for name in vars(each))
        state.append((path, id(each), type(each), each.training, hooks, plain))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        state.append(
            (name, id(tensor), tensor.requires_grad, tensor.grad is None, tensor._version, tensor.detach().clone().tolist())
        )
    return state


def reloads(model: nn.Module) -> bool:
    """The state dict survives ``torch.save`` and safe loading."""
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    return all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
