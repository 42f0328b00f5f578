"""What only a run can tell about the tree: calls, functional use, modules made or kept outside of it, strays in use."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nnreport.facts import Node, StrayTensor, Tree
from nnreport.inspector.tracing.failure import qualified
from nnreport.inspector.tracing.recorder import Recorder
from nnreport.inspector.tracing.recording import Recording
from nnreport.inspector.tracing.strays import storage_of
from nnreport.inspector.tracing.tree import TreeReader, read_tree


def refresh_tree(tree: Tree, copy: nn.Module) -> None:
    """Lazy parameters have their shapes now; flags stay those of the user's model."""
    training = {module.path: module.training for module in tree.modules}
    fresh = read_tree(copy)
    for module in fresh.modules:
        module.training = training.get(module.path, module.training)
    tree.modules, tree.parameters = fresh.modules, fresh.parameters
    tree.total, tree.trainable, tree.buffers, tree.size = fresh.total, fresh.trainable, fresh.buffers, fresh.size


def fill_tree(tree: Tree, recording: Recording, leaves: Sequence[Tensor]) -> None:
    """Adds to the tree what the recorded forward showed.

    Args:
        tree: of the user's model.
        recording: the forward.
        leaves: leaves of its autograd graph that are no parameters of the model.
    """
    recorder, names = recording.recorder, recording.names
    read = {names.tensors[key] for key in recorder.read if key in names.tensors}
    own: dict[str, list[str]] = {}
    for parameter in tree.parameters:
        for name in (parameter.name, *parameter.tied):
            own.setdefault(name.rpartition(".")[0], []).append(parameter.name)
    for module in tree.modules:
        module.calls = recorder.counts.get(module.path, 0)
        module.functional = module.calls == 0 and any(name in read for name in own.get(module.path, ()))
    mark_used(tree, recording)
    add_unregistered(tree, recording)
    add_leaves(tree, recording, leaves)


def mark_used(tree: Tree, recording: Recording) -> None:
    """Which strays the forward used."""
    recorder, names = recording.recorder, recording.names
    records = {(stray.owner, stray.attribute): stray for stray in tree.stray}
    for stray in names.strays:
        record = records.get((stray.owner, stray.attribute))
        if record is None:
            continue
        if isinstance(stray.value, nn.Module):
            called = any(recorder.counts.get(names.paths.get(id(module), "?")) for module in stray.value.modules())
            record.used = called or any(id(parameter) in recorder.read for parameter in stray.value.parameters())
        else:
            record.used = id(stray.value) in recorder.read


def add_unregistered(tree: Tree, recording: Recording) -> None:
    """Modules that ran and are in no module's ``_modules``: records of them, and a stray for each that was made in forward."""
    recorder, names = recording.recorder, recording.names
    kept = {stray.path: stray for stray in names.strays if isinstance(stray.value, nn.Module)}
    listed: set[str] = {module.path for module in tree.modules}
    made = made_storages(recorder)
    for path, module in recorder.unregistered.items():
        root = next((each for each in kept if path == each or path.startswith(f"{each}.")), None)
        top, value = (root, kept[root].value) if root is not None else (path, module)
        if top in listed:
            continue
        reader = TreeReader(value, prefix=top, registered=False)
        for record in reader.modules():
            if record.path in listed:
                continue
            listed.add(record.path)
            record.calls = recorder.counts.get(record.path, 0)
            if root is not None and record.path == top:
                record.parent, record.holder = kept[root].owner, kept[root].attribute
            tree.modules.append(record)
        if root is None and not any(each is not module and module in each.children() for each in recorder.unregistered.values()):
            add_loose_module(tree, recorder, path, module, made)


def add_loose_module(tree: Tree, recorder: Recorder, path: str, module: nn.Module, made: dict[tuple[str, int], Node]) -> None:
    """A module that is called but found in no attribute: made in forward, or held by a closure, a global or a plain object."""
    parameters = list(module.parameters())
    call = next((call for call in recorder.calls if call.module == path), None)
    births = [made[key] for p in parameters if (key := storage_of(p)) is not None and key in made]
    if not parameters:
        return
    tree.stray.append(
        StrayTensor(
            kind="module",
            owner=path.rpartition(".")[0],
            attribute="",
            cls=qualified(module),
            requires_grad=any(p.requires_grad for p in parameters),
            in_forward=bool(births),
            parameters=sum(p.numel() for p in parameters),
            location=births[0].location if births else call.location if call else None,
        )
    )


def made_storages(recorder: Recorder) -> dict[tuple[str, int], Node]:
    """Memory that operations of this forward made -> the first that did."""
    found: dict[tuple[str, int], Node] = {}
    for known in recorder.known.values():
        node = recorder.nodes[known.node]
        key = storage_of(known.tensor) if node.kind == "op" else None
        if key is not None and (key not in found or found[key].id > node.id):
            found[key] = node
    return found


def add_leaves(tree: Tree, recording: Recording, leaves: Sequence[Tensor]) -> None:
    """Leaves of the autograd graph that are no parameters: the exact test for what the optimizer will miss."""
    recorder, names = recording.recorder, recording.names
    held = {id(stray.value): stray for stray in names.strays if not isinstance(stray.value, nn.Module)}
    held |= {
        id(parameter): stray
        for stray in names.strays
        if isinstance(stray.value, nn.Module)
        for parameter in stray.value.parameters()
    }
    loose = {id(parameter) for module in recorder.unregistered.values() for parameter in module.parameters()}
    records = {(stray.owner, stray.attribute): stray for stray in tree.stray}
    made = made_storages(recorder)
    for leaf in leaves:
        stray = held.get(id(leaf))
        if stray is not None:
            record = records.get((stray.owner, stray.attribute))
            if record is not None:
                record.used = True
            continue
        if id(leaf) in loose:
            continue
        birth = made.get(storage_of(leaf) or ("", 0))
        known = recorder.known.get(id(leaf))
        node = recorder.loose[id(leaf)][1] if id(leaf) in recorder.loose else known.node if known is not None else None
        reader = birth or (recorder.nodes[node] if node is not None else None)
        tree.stray.append(
            StrayTensor(
                kind="parameter",
                owner=reader.module if reader is not None else "",
                attribute="",
                shape=[int(size) for size in leaf.shape],
                cls=type(leaf).__name__,
                requires_grad=True,
                in_forward=birth is not None,
                parameters=leaf.numel(),
                location=reader.location if reader is not None else None,
            )
        )
