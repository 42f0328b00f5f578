"""--weights: a checkpoint into the model, as much of it as fits; what does not is recorded, not raised."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.inspector.tracebacks import one_line
from nnreport.inspector.weighing.statedict import read_state

if TYPE_CHECKING:
    from nnreport.inspector.loading.load import Loaded

_WRAPPERS = re.compile(r"(^|\.)(_orig_mod|_fsdp_wrapped_module)(?=\.)")


def load_checkpoint(loaded: Loaded, file: str) -> None:
    """Changes ``loaded.model`` in place; fills ``target.weights`` and its missing, unexpected and mismatched keys.

    Prefixes that wrappers leave (``module.``, ``_orig_mod.``, Lightning's ``model.``) are taken off where more fits without
    them; ``loaded.notes`` says so. Raises UsageError where the file cannot be read safely.
    """
    model, target = loaded.model, loaded.target
    assert model is not None
    path = Path(file)
    try:
        state = dict(read_state(path))
    except UsageError as error:
        raise UsageError(f"--weights {file}: {error}" if file not in str(error) else f"--weights {error}") from None
    wanted = model.state_dict(keep_vars=True)
    state, note = fitted(state, wanted)
    if note:
        loaded.notes.append(f"{path.name}: {note}")
    target.weights = path.resolve().name
    mismatched = {
        name: [list(wanted[name].shape), list(tensor.shape)]
        for name, tensor in state.items()
        if isinstance(wanted.get(name), Tensor) and not _fits(wanted[name], tensor)
    }
    fitting = {name: tensor for name, tensor in state.items() if name not in mismatched}
    try:
        result = model.load_state_dict(fitting, strict=False)
        missing, unexpected = list(result.missing_keys), list(result.unexpected_keys)
    except Exception as error:  # a load_state_dict of the model's own: what can be copied is
        loaded.notes.append(f"The model's own load_state_dict failed ({one_line(error)}); equal names were copied.")
        missing, unexpected = _copied(fitting, wanted)
    gone = _really_missing(missing, wanted, fitting)
    target.missing_keys = [name for name in gone if name not in mismatched]
    target.unexpected_keys = unexpected
    target.mismatched_keys = mismatched


def _fits(here: Tensor, there: Tensor) -> bool:
    return nn.parameter.is_lazy(here) or here.shape == there.shape


def _copied(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """Copies tensors of equal names; (missing, unexpected)."""
    with torch.no_grad():
        for name, tensor in state.items():
            if isinstance(wanted.get(name), Tensor):
                wanted[name].copy_(tensor)
    return [name for name in wanted if name not in state], [name for name in state if name not in wanted]


def _really_missing(missing: list[str], wanted: Mapping[str, Tensor], loaded: Mapping[str, Tensor]) -> list[str]:
    """Without those that were loaded under another name (tied weights are saved once), and counters older files lack."""
    places = {_place(wanted[name]) for name in loaded if isinstance(wanted.get(name), Tensor)}
    return [
        name
        for name in missing
        if not name.endswith("num_batches_tracked")
        and not (isinstance(wanted.get(name), Tensor) and _place(wanted[name]) in places)
    ]


def _place(tensor: Tensor) -> object:
    if tensor.is_meta or nn.parameter.is_lazy(tensor) or tensor.layout is not torch.strided or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tuple(tensor.shape)


def fitted(state: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The state dict under the names that fit the model best, and how they were changed (``""``: not at all)."""
    best, note, fits = state, "", _fit(state, wanted)
    enough = min(len(state), len(wanted)) / 2  # fewer than half would be chance: 0.weight is in every Sequential
    for change, words in _changes(state):
        changed: dict[str, Tensor] = {}
        for name, tensor in state.items():
            changed.setdefault(change(name), tensor)
        if (more := _fit(changed, wanted)) > fits and more >= enough:
            best, note, fits = changed, words, more
    return best, note


def _fit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> int:
    return sum(name in wanted for name in state)


def _changes(state: Mapping[str, Tensor]) -> list[tuple[Callable[[str], str], str]]:
    """Ways to rename: without the wrappers' names, then without one or two common prefixes too."""

    def bare(name: str) -> str:
        return _WRAPPERS.sub(r"\1", name).replace("..", ".").lstrip(".")

    found: list[tuple[Callable[[str], str], str]] = []
    if any(bare(name) != name for name in state):
        found.append((bare, "the names' _orig_mod, which torch.compile leaves, was taken off."))
    prefixes = {name.partition(".")[0] for name in map(bare, state) if "." in name}
    for prefix in sorted(prefixes):
        for deep in ("", *sorted({name.split(".")[1] for name in map(bare, state) if name.startswith(f"{prefix}.")}))[:8]:
            cut = f"{prefix}.{deep}." if deep else f"{prefix}."
            found.append((lambda name, cut=cut: bare(name).removeprefix(cut), f"the names' prefix {cut!r} was taken off."))  # type: ignore[misc]
    return found
