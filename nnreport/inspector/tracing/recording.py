"""One forward of a copy of the model, recorded: the copy, its names, what ran and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nnreport.facts import Tree
from nnreport.inspector.feeding.nested import leaves, map_tensors
from nnreport.inspector.seeding import seeded
from nnreport.inspector.tracing.flops import FlopMode
from nnreport.inspector.tracing.recorder import Recorder
from nnreport.inspector.tracing.strays import Stray, find_strays
from nnreport.inspector.tracing.structure import named_tensors
from nnreport.inspector.tracing.values import Sampler

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample


@dataclass
class Names:
    """What the modules and tensors of one copy are called.

    Attributes:
        paths: ``id(module) -> path``, strays included.
        registered: ids of the modules in the tree.
        tensors: ``id(tensor) -> name`` of parameters and buffers, tied ones at their first name.
        holders: ``id(tensor) -> owner.attribute`` of plain tensor attributes and of stray modules' tensors.
        strays: modules and tensors that are held without being registered.
        modules: path -> module, strays included.
        kept: the tensors themselves: a ScriptModule wraps its parameters anew once nobody holds them, under other ids.
    """

    paths: dict[int, str] = field(default_factory=dict)
    registered: frozenset[int] = frozenset()
    tensors: dict[int, str] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)


def names_of(model: nn.Module, tree: Tree) -> Names:
    """Names of everything in ``model``, as the tree has them."""
    first = {tied: parameter.name for parameter in tree.parameters for tied in parameter.tied}
    names = Names(paths={id(module): path for path, module in model.named_modules()})
    names.registered = frozenset(names.paths)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        names.tensors[id(tensor)] = first.get(name, name)
        names.kept.append(tensor)
    names.strays = find_strays(model)
    for stray in names.strays:
        if isinstance(stray.value, nn.Module):
            for path, module in stray.value.named_modules(prefix=stray.path):
                names.paths.setdefault(id(module), path)
            for name, tensor in [*stray.value.named_parameters(stray.path), *stray.value.named_buffers(stray.path)]:
                if id(tensor) not in names.tensors:
                    names.holders.setdefault(id(tensor), name)
                    names.kept.append(tensor)
        else:
            names.holders[id(stray.value)] = stray.path
    held = {
        id(module): module for stray in names.strays if isinstance(stray.value, nn.Module) for module in stray.value.modules()
    }
    held |= {id(module): module for module in model.modules()}
    names.modules = {path: held[key] for key, path in names.paths.items() if key in held}
    return names


@dataclass
class Recording:
    """One recorded forward.

    Attributes:
        recorder: what ran.
        names: of the copy that ran.
        output: what it gave; None where it raised.
        inputs: floating input leaves that require a gradient, by name; empty unless asked for.
        error: what it raised.
        seconds: how long it took, recording included.
    """

    recorder: Recorder
    names: Names
    output: Any = None
    inputs: dict[str, Tensor] = field(default_factory=dict)
    error: BaseException | None = None
    seconds: float = 0.0

    @property
    def outputs(self) -> list[tuple[str, Tensor]]:
        return named_tensors(self.output)


def record(
    model: nn.Module,
    names: Names,
    sample: Sample,
    seed: int,
    sampler: Sampler | None = None,
    flops: FlopMode | None = None,
    gradients: bool = False,
    operations: bool = True,
    locate: bool = True,
) -> Recording:
    """Runs ``model`` on a fresh copy of the sample.

    Args:
        model: a copy of the user's; it may be left in another state (caches, counters, running statistics).
        names: of that copy.
        sampler: for ranges of all tensors.
        flops: for FLOPs.
        gradients: let the floating inputs require a gradient.
        operations: False records module calls alone.
        locate: find the user's lines.
    """
    recorder = Recorder(names.paths, names.registered, names.tensors, names.holders, sampler, flops, locate)
    recording = Recording(recorder, names)
    args, kwargs = prepared(sample, recording, gradients)
    if operations:
        for name, tensor in named_inputs(sample, args, kwargs):
            recorder.guard(recorder.add_input, name, tensor)
    device = next((tensor.device for _, tensor in named_tensors([args, kwargs])), torch.device("cpu"))
    with seeded(seed, device):
        start = perf_counter()
        try:
            recording.output = recorder.run(model, args, kwargs, operations)
        except Exception as error:
            recording.error = error
        recording.seconds = perf_counter() - start
    if operations:
        if recording.error is None:
            for name, tensor in recording.outputs:
                recorder.guard(recorder.add_output, name, tensor)
        recorder.guard(recorder.finish)
    return recording


def prepared(sample: Sample, recording: Recording, gradients: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Fresh inputs: a forward that changes its input in place must not change the next one's. With ``gradients``, floating inputs
    hang on leaves of ours, so that they may still be changed in place."""
    found: list[Tensor] = []

    def fresh(tensor: Tensor) -> Tensor:
        copy = tensor.detach().clone()
        if gradients and (copy.is_floating_point() or copy.is_complex()):
            leaf = copy.requires_grad_()
            found.append(leaf)
            return leaf.clone()
        if tensor.requires_grad:
            copy.requires_grad_()
        return copy

    args, kwargs = map_tensors((tuple(sample.args), dict(sample.kwargs)), fresh)
    floating = [name for name, tensor in named_inputs(sample, args, kwargs) if tensor.is_floating_point() or tensor.is_complex()]
    recording.inputs = dict(zip(floating, found, strict=False))
    return args, kwargs


def named_inputs(sample: Sample, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Tensor]]:
    """(name, tensor) of the inputs, named as in the sample's specs."""
    found = [leaf for value in (*args, *kwargs.values()) for _, leaf in leaves(value)]
    names = [*sample.names, *(f"input {i}" for i in range(len(sample.names), len(found)))]
    return [(name, leaf) for name, leaf in zip(names, found, strict=False) if isinstance(leaf, Tensor)]
