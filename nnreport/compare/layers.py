"""Layers added, removed, reshaped, of another class, renamed."""

from __future__ import annotations

from nnreport.compare.forest import Forest
from nnreport.compare.records import LayerChange
from nnreport.facts import Facts, Module, Scalar

WORDS = "×"


def layer_changes(old: Forest, new: Forest, pairs: dict[str, str], calls: bool = False) -> list[LayerChange]:
    """All that is not as it was, in the order of the new model; what was removed follows what stood before it.

    Args:
        old, new: the trees.
        pairs: which is which.
        calls: both forwards were recorded whole, so that a layer no longer called is a change.
    """
    back = {b: a for a, b in pairs.items()}
    made: dict[str, list[LayerChange]] = {}
    order: list[str] = []
    for path in new.modules:
        order.append(path)
        before = back.get(path)
        if before is None:
            above = new.parent(new.modules[path])
            if path == "" or above in back or inside_matched(new, above, back):
                made.setdefault(path, []).append(came(new, path, back))
        elif change := changed(old, new, before, path, pairs, calls):
            made.setdefault(path, []).append(change)
    last = ""
    for path in old.modules:
        if path in pairs:
            last = pairs[path]
            continue
        above = old.parent(old.modules[path])
        if above in pairs or inside_matched(old, above, pairs):
            made.setdefault(last, []).append(went(old, path, pairs))
    return [change for path in order for change in made.get(path, [])]


def inside_matched(forest: Forest, path: str, matched: dict[str, str]) -> bool:
    """Does an unmatched ancestor hold matched modules? Then it does not speak for what is inside it."""
    return path not in matched and any(each in matched for each in forest.subtree(path))


def came(new: Forest, path: str, back: dict[str, str]) -> LayerChange:
    """An added module with what came inside it."""
    whole = not inside_matched(new, path, back)
    parameters = new.modules[path].total if whole else new.modules[path].parameters
    inside = len(new.subtree(path)) - 1 if whole else 0
    return LayerChange(kind="added", new=path, cls=new.cls(path), parameters=parameters, inside=inside)


def went(old: Forest, path: str, pairs: dict[str, str]) -> LayerChange:
    """A removed module with what went inside it."""
    whole = not inside_matched(old, path, pairs)
    parameters = old.modules[path].total if whole else old.modules[path].parameters
    inside = len(old.subtree(path)) - 1 if whole else 0
    return LayerChange(kind="removed", old=path, old_cls=old.cls(path), old_parameters=parameters, inside=inside)


def changed(old: Forest, new: Forest, a: str, b: str, pairs: dict[str, str], calls: bool) -> LayerChange | None:
    """What differs in a pair by itself, not through its children."""
    before, after = old.modules[a], new.modules[b]
    bare = old.bare
    retyped = bool(a) and bool(b) and not bare and before.name != after.name
    shapes = shape_changes(old, new, a, b, "" if retyped else "all")
    settings = [] if bare or retyped else setting_changes(before.settings, after.settings)
    others = other_changes(old, new, a, b, bare, calls)
    words = ([f"{before.name} → {after.name}"] if retyped else []) + (settings or shapes)
    words += [word for word in shapes if settings and ("added" in word or "removed" in word)] + others
    moved = place_of(a, old, pairs) != b
    if not words and not moved:
        return None
    kind = "retyped" if retyped else "reshaped" if shapes else "altered" if words else "renamed"
    if kind == "renamed" and old.local(a).isdigit() and new.local(b).isdigit():
        kind = "renumbered"
    return LayerChange(
        kind=kind,  # type: ignore[arg-type]
        old=a,
        new=b,
        old_cls=before.name,
        cls=after.name,
        changes=words,
        old_parameters=before.parameters,
        parameters=after.parameters,
    )


def place_of(path: str, old: Forest, pairs: dict[str, str]) -> str:
    """Where an old module would be now if only what holds it had another name."""
    above = old.parent(old.modules[path]) if path else ""
    if not path or above not in pairs:
        return path
    return f"{pairs[above]}.{old.local(path)}".lstrip(".")


def setting_changes(old: dict[str, Scalar | list[int]], new: dict[str, Scalar | list[int]]) -> list[str]:
    """``out_features 128 → 64``."""
    return [
        f"{name} {shown(old.get(name))} → {shown(new.get(name))}" for name in {**old, **new} if old.get(name) != new.get(name)
    ]


def shown(value: Scalar | list[int]) -> str:
    """A setting as a reader would type it; a list of equal numbers as one of them."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return str(value[0]) if value and len(set(value)) == 1 else "(" + ", ".join(map(str, value)) + ")"
    return str(value)


def shape_changes(old: Forest, new: Forest, a: str, b: str, wanted: str = "all") -> list[str]:
    """``weight 128×784 → 64×784``, ``bias removed``."""
    if not (old.modules[a].registered and new.modules[b].registered):
        return []  # the parameters of one are not listed
    before, after = old.own(a), new.own(b)
    found = []
    for name in {**before, **after} if wanted else set(before) & set(after):
        if name not in after:
            found.append(f"{name} removed")
        elif name not in before:
            found.append(f"{name} added")
        elif before[name].shape != after[name].shape:
            found.append(f"{name} {dims(before[name].shape)} → {dims(after[name].shape)}")
    return found


def dims(shape: list[int]) -> str:
    return WORDS.join(map(str, shape)) or "scalar"


def other_changes(old: Forest, new: Forest, a: str, b: str, bare: bool, calls: bool) -> list[str]:
    """Frozen or freed, another dtype, registered or not, called or not."""
    before, after = old.own(a), new.own(b)
    common = [name for name in before if name in after]
    found = []
    dtypes = {(before[name].dtype, after[name].dtype) for name in common if before[name].dtype != after[name].dtype}
    found += sorted(f"{x} → {y}" for x, y in dtypes)
    if bare:
        return found
    weights = [name for name in common if before[name].kind == "parameter" and after[name].kind == "parameter"]
    if weights:
        froze = [name for name in weights if before[name].trainable and not after[name].trainable]
        freed = [name for name in weights if after[name].trainable and not before[name].trainable]
        for word, names in (("frozen", froze), ("no longer frozen", freed)):
            if names:
                found.append(word if len(names) == len(weights) else f"{', '.join(names)} {word}")
    x, y = old.modules[a], new.modules[b]
    if x.registered != y.registered:
        found.append("registered now" if y.registered else "no longer registered")
    if calls and not old.children[a] and used(x) != used(y):
        found.append("called now" if used(y) else "no longer called")
    return found


def used(module: Module) -> bool:
    """Did the recorded forward, in either mode, use it?"""
    return bool(module.calls or module.train_calls or module.functional)


def checkpoint_problem(old: Facts, new: Facts) -> str:
    """Why a state dict of the old model does not load into the new one (strictly); empty if it does."""
    if old.tree is None or new.tree is None:
        return ""
    before, after = names_of(old), names_of(new)
    missing = sum(name not in before for name in after)
    unexpected = sum(name not in after for name in before)
    shapes = sum(name in after and after[name] != shape for name, shape in before.items())
    counts = {"key{} missing": missing, "key{} unexpected": unexpected, "tensor{} of another shape": shapes}
    return ", ".join(f"{n:,} {words.format('' if n == 1 else 's')}" for words, n in counts.items() if n)


def names_of(facts: Facts) -> dict[str, list[int]]:
    """Names in the state dict, tied ones too -> shape."""
    assert facts.tree is not None
    unregistered = {module.path for module in facts.tree.modules if not module.registered}
    kept = [each for each in facts.tree.parameters if each.persistent and each.module not in unregistered]
    return {name: each.shape for each in kept for name in (each.name, *each.tied)}
