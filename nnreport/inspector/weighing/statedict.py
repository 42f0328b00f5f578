"""State dicts on disk, read lazily and safely, and a report's facts from one alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from nnreport.errors import UsageError
from nnreport.facts import Tree, Weights
from nnreport.inspector.loading.pickles import load_pickle
from nnreport.inspector.weighing.guesstree import guess_tree, is_buffer, is_swapped
from nnreport.inspector.weighing.safetensors import read_safetensors
from nnreport.inspector.weighing.shards import state_files
from nnreport.inspector.weighing.weights import Named, weight_stats

#: Where checkpoints keep the weights, the likeliest first.
_KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "generator",
    "ema",
    "model_ema",
)


def read_state(path: Path | str) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) one by one, the tensors memory-mapped: nothing is read before it is used.

    ``.safetensors``, ``.pt .pth .bin .ckpt`` (also ``{"state_dict": …}`` and its like), an ``*.index.json`` of shards, or a
    folder of them. Raises UsageError where a file cannot be read, or only by running what it holds.
    """
    for file in state_files(Path(path)):
        if file.suffix.lower() == ".safetensors":
            yield from read_safetensors(file)
        else:
            yield from tensors_in(load_pickle(file, str(file)), str(file)).items()


def tensors_in(value: Any, what: str) -> dict[str, torch.Tensor]:
    """The state dict in what ``torch.save`` wrote. Raises UsageError, beginning with ``what``, where there is none."""
    if isinstance(value, torch.Tensor):
        raise UsageError(f"{what} holds one tensor, not a state dict; to use it as an input write --input @{what}")
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} holds a {type(value).__name__}, not a state dict: save model.state_dict()")
    found = _flat(value)
    if not found:
        keys = ", ".join(str(key) for key in list(value)[:8]) or "nothing"
        raise UsageError(f"{what} holds no state dict (it has {keys}): save model.state_dict()")
    return found


def _flat(value: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """The tensors at the top, else those under the first key that is known to hold weights, else under the only one that does."""
    own = {str(name): item for name, item in value.items() if isinstance(item, torch.Tensor)}
    nested = {key: item for key, item in value.items() if isinstance(item, Mapping) and item}
    for key in _KEYS:
        if key in nested and (found := _flat(nested[key])):
            return found
    if own:
        return own
    for key, item in nested.items():
        if "optim" not in str(key).lower() and (found := _flat(item)):
            return found
    return {}


def weights_of_state(path: Path | str) -> tuple[Tree, Weights]:
    """The module tree, guessed from the names and shapes, and the statistics of every tensor. Raises as :func:`read_state`."""
    tensors = dict(read_state(path))
    tree = guess_tree(tensors)
    kinds = {module.path: module.kind for module in tree.modules}
    named = (
        Named(name, tensors[name], "buffer" if is_buffer(name, tensors[name]) else "parameter", is_swapped(kinds, name))
        for name in (parameter.name for parameter in tree.parameters)
    )
    stats = weight_stats(named)
    counted = [int(value) for name, value in tensors.items() if name.endswith("num_batches_tracked") and value.numel() == 1]
    return tree, Weights(stats=stats, fresh=False, steps=max(counted, default=None))
