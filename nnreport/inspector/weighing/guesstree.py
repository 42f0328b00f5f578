"""A module tree guessed from the names and shapes of a state dict: all that is left where there is no code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from nnreport.facts import Module, Parameter, Tree

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_EMBEDDING = re.compile(r"emb|^wte$|^wpe$|vocab|relative_attention_bias|codebook", re.IGNORECASE)
_NORM = re.compile(r"norm|^ln|_ln|^bn\d*$|layer_?norm", re.IGNORECASE)
_GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}
_CONVOLUTIONS = {3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}


def guess_tree(tensors: Mapping[str, Tensor]) -> Tree:
    """Modules from the dotted names, kinds from what each holds; a tensor under a second name is tied.

    Guesses: a weight of two axes is a Linear, or an Embedding where its name says so; of more a convolution; of one a norm;
    running statistics make it a BatchNorm.
    """
    parameters, names = _parameters(tensors)
    own: dict[str, dict[str, Tensor]] = {"": {}}
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        for i, letter in enumerate(path):
            if letter == ".":
                own.setdefault(path[:i], {})
        own.setdefault(path, {})[leaf] = tensors[name]
    modules = {path: Module(path=path, cls="", parent=path.rpartition(".")[0] if path else None) for path in own}
    for path, module in modules.items():
        module.kind = _kind(path, own[path], modules)
        module.cls = module.kind or "Module"
        if path:
            modules[module.parent or ""].children.append(path)
    _count(modules, own, names)
    found = Tree(modules=[modules[path] for path in _ordered(modules)], parameters=parameters)
    trained = [parameter for parameter in parameters if parameter.kind == "parameter"]
    found.total = found.trainable = sum(parameter.count for parameter in trained)
    found.buffers = sum(parameter.count for parameter in parameters if parameter.kind == "buffer")
    found.size = sum(parameter.size for parameter in parameters)
    return found


def is_buffer(name: str, tensor: Tensor) -> bool:
    """Running statistics, and what no optimizer can change (indices, masks)."""
    leaf = name.rpartition(".")[2]
    return leaf in BUFFERS or not (tensor.is_floating_point() or tensor.is_complex())


def is_swapped(kinds: Mapping[str, str], name: str) -> bool:
    """The leading axis of this weight is the input."""
    kind = kinds.get(name.rpartition(".")[0], "")
    return name.endswith("weight") and (kind.startswith("ConvTranspose") or kind == "Conv1D")


def _parameters(tensors: Mapping[str, Tensor]) -> tuple[list[Parameter], set[str]]:
    """Each tensor once; names under which it was seen first."""
    seen: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Parameter] = {}
    found = []
    for name, tensor in tensors.items():
        place = None
        if tensor.layout is torch.strided and not tensor.is_meta and tensor.numel():
            place = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
            if place in seen:
                seen[place].tied.append(name)
                continue
        buffer = is_buffer(name, tensor)
        record = Parameter(
            name=name,
            module=name.rpartition(".")[0],
            shape=[int(size) for size in tensor.shape],
            dtype=str(tensor.dtype).removeprefix("torch."),
            kind="buffer" if buffer else "parameter",
            trainable=not buffer,
            count=tensor.numel(),
            size=tensor.numel() * tensor.element_size(),
        )
        found.append(record)
        if place is not None:
            seen[place] = record
    return found, {parameter.name for parameter in found}


def _kind(path: str, own: Mapping[str, Tensor], modules: Mapping[str, Module]) -> str:
    name = path.rpartition(".")[2]
    weight, bias = own.get("weight"), own.get("bias")
    if "running_mean" in own:
        return f"BatchNorm{_axes_before(path, modules)}d"
    if (recurrent := own.get("weight_hh_l0")) is not None and recurrent.dim() == 2 and recurrent.shape[1]:
        return _GATES.get(recurrent.shape[0] // recurrent.shape[1], "RNN")
    if "in_proj_weight" in own or "in_proj_bias" in own:
        return "MultiheadAttention"
    if weight is None:
        return ""
    if weight.dim() == 1:
        return ("LayerNorm" if bias is not None else "RMSNorm") if bias is not None or _NORM.search(name) else ""
    if weight.dim() == 2:
        if bias is None and _EMBEDDING.search(name):
            return "Embedding"
        if bias is not None and bias.dim() == 1 and bias.shape[0] == weight.shape[1] != weight.shape[0]:
            return "Conv1D"  # transformers' linear layer with [in, out] weights
        return "Linear"
    kind = _CONVOLUTIONS.get(weight.dim(), "")
    if kind and bias is not None and bias.dim() == 1 and bias.shape[0] != weight.shape[0] and bias.shape[0] == weight.shape[1]:
        return kind.replace("Conv", "ConvTranspose")
    return kind


def _axes_before(path: str, modules: Mapping[str, Module]) -> int:
    """Axes of the last convolution before a batch norm, 1 where there is none: the order of a state dict is the model's."""
    axes = 1
    for other, module in modules.items():
        if other == path:
            break
        if module.kind in ("Linear", "Conv1d", "Conv2d", "Conv3d"):
            axes = int(module.kind[4]) if module.kind.startswith("Conv") else 1
    return axes


def _count(modules: dict[str, Module], own: Mapping[str, Mapping[str, Tensor]], names: set[str]) -> None:
    """Sizes and signatures, children before their parents."""
    for path in sorted(modules, key=lambda path: -path.count(".") - bool(path)):
        module = modules[path]
        shapes = []
        for leaf, tensor in own[path].items():
            name = f"{path}.{leaf}" if path else leaf
            shapes.append((leaf, tuple(tensor.shape)))
            if name not in names:
                continue
            if is_buffer(name, tensor):
                module.buffers += tensor.numel()
            else:
                module.parameters += tensor.numel()
            module.size += tensor.numel() * tensor.element_size()
        module.total += module.parameters
        module.trainable = module.total
        inside = [(child.rpartition(".")[2], modules[child].signature) for child in module.children]
        module.signature = hashlib.blake2b(repr((module.kind, shapes, inside)).encode(), digest_size=8).hexdigest()
        if path:
            parent = modules[module.parent or ""]
            parent.total += module.total
            parent.size += module.size


def _ordered(modules: Mapping[str, Module]) -> list[str]:
    """Parents before their children, as named_modules() walks."""
    found, waiting = [], [""]
    while waiting:
        path = waiting.pop()
        found.append(path)
        waiting.extend(reversed(modules[path].children))
    return found
