"""The user's own files that define a model, as text with the classes in them. Nothing here imports torch."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nnreport.facts import SourceClass, SourceFile
from nnreport.inspector.locate import origin_of, relative_path

if TYPE_CHECKING:
    from nnreport.inspector.loading.load import Loaded

LARGEST = 500_000
"""Characters of source kept in all: what a person writes by hand fits, a generated file of tables does not."""
CONTAINER_DEPTH = 2
"""How deep plain lists, tuples and dicts on a module are searched for modules that nobody registered."""


def read_source(loaded: Loaded, model: Any) -> list[SourceFile]:
    """The user's files in which the classes live that the model is built of; the target's own file first.

    A class is *used* if an instance of it (registered or in a plain list) is in the model, or if it is a base of such a class.
    Without a model (its constructor failed) the target's class counts, and every Module class that a used one names.

    Args:
        loaded: the target as it was loaded; ``path`` and ``python`` say where it came from.
        model: the module, or None.
    """
    texts: dict[str, str] = {}
    used: dict[str, set[str]] = {}
    for cls in used_classes(loaded, model):
        file = file_of(cls)
        if file is not None:
            texts.setdefault(file, "")
            used.setdefault(file, set()).add(cls.__qualname__.replace("<locals>.", ""))
    target = os.path.realpath(loaded.path) if loaded.path is not None and str(loaded.path).endswith(".py") else ""
    if target and (origin_of(target) == "user" or not texts):
        texts = {target: ""} | texts
    files, budget = [], LARGEST
    for file in texts:
        text = text_of(file)
        if text is None:
            continue
        found = parse(text, named=used.get(file, set()), follow=model is None)
        if found is None:
            continue
        kept = text if len(text) <= budget else ""
        budget -= len(kept)
        files.append(SourceFile(path=relative_path(file), text=kept, classes=found, target=file == target))
    return files


def read_file(path: Path) -> SourceFile:
    """One file by itself, never imported: every Module class in it counts as used.

    Raises:
        UsageError: it is no UTF-8 text, or does not parse.
    """
    from nnreport.errors import UsageError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as Python source: {error}") from None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{path} is not valid Python{line}: {getattr(error, 'msg', error)}") from None
    modules = module_classes(tree)
    classes = [
        SourceClass(name=name, line=node.lineno, end=node.end_lineno or node.lineno, used=name in modules)
        for name, node in classes_in(tree)
    ]
    return SourceFile(path=relative_path(os.path.realpath(path)), text=text[:LARGEST], classes=classes, target=True)


# ------------------------------------------------------------------------------------------------------ which classes


def used_classes(loaded: Loaded, model: Any) -> list[type]:
    """The user's classes that the model is made of, with their bases, each once."""
    found: dict[type, None] = {}
    if model is not None:
        for module in every_module(model):
            found |= dict.fromkeys(type(module).__mro__)
    else:
        cls = target_class(loaded)
        if cls is not None:
            found |= dict.fromkeys(cls.__mro__)
    return [cls for cls in found if cls.__module__ not in ("builtins", "abc") and not cls.__module__.startswith("torch.")]


def every_module(model: Any) -> Iterator[Any]:
    """All modules of the tree, and those that hang in plain lists, tuples and dicts of theirs."""
    seen: set[int] = set()
    stack = [model]
    while stack:
        module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield module
        stack += [child for child in module._modules.values() if child is not None]
        for name, value in list(vars(module).items()):
            if name not in ("_modules", "_parameters", "_buffers"):
                stack += contained(value, type(model), CONTAINER_DEPTH)


def contained(value: Any, cls: type, depth: int) -> list[Any]:
    """Modules inside plain containers. A module is told by its registry, so that torch need not be imported."""
    if isinstance(getattr(value, "__dict__", None), dict) and "_modules" in vars(value) and "_parameters" in vars(value):
        return [value]
    if depth and isinstance(value, list | tuple | dict):
        inner = value.values() if isinstance(value, dict) else value
        return [module for each in list(inner)[:1000] for module in contained(each, cls, depth - 1)]
    return []


def target_class(loaded: Loaded) -> type | None:
    """The class that TARGET names, where it is one."""
    name = loaded.target.spec.rpartition(":")[2].partition("(")[0] if ":" in loaded.target.spec else loaded.target.name
    value: Any = loaded.python
    for part in name.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, type) else None


def file_of(cls: type) -> str | None:
    """The user's file that defines a class, or None for an installed package's. A notebook cell counts as a file."""
    module: ModuleType | None = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    code = next((value.__code__.co_filename for value in vars(cls).values() if hasattr(value, "__code__")), None)
    if not file or not file.endswith(".py"):  # a notebook: only the methods know the cell
        return code if code and code in linecache.cache else None
    return os.path.realpath(file) if origin_of(file) == "user" else None


def text_of(file: str) -> str | None:
    """The text of a file or of a notebook cell; None where it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return "".join(linecache.getlines(file)) or None


# --------------------------------------------------------------------------------------------------------- the syntax


def parse(text: str, named: set[str], follow: bool) -> list[SourceClass] | None:
    """The classes of a text; None where it does not parse.

    Args:
        named: qualified names of the used ones.
        follow: also count every Module class that a used one names.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    classes = dict(classes_in(tree))
    used = {name for name in classes if name in named}
    if follow:
        modules = module_classes(tree)
        grown = True
        while grown:
            mentioned = {each.id for name in used for each in ast.walk(classes[name]) if isinstance(each, ast.Name)}
            grown = bool((mentioned & modules) - used)
            used |= mentioned & modules
    return [
        SourceClass(name=name, line=node.lineno, end=node.end_lineno or node.lineno, used=name in used)
        for name, node in classes.items()
    ]


def classes_in(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    """(qualified name without ``<locals>``, node) of all classes, nested ones too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from classes_in(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from classes_in(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            yield from classes_in(node, prefix)


def module_classes(tree: ast.AST) -> set[str]:
    """Qualified names of the classes that are modules: a base looks like one (``nn.Module``, ``LightningModule``, ``nn.Linear``),
    or is such a class of this file, or the class defines ``forward``."""
    classes = dict(classes_in(tree))
    found: set[str] = set()
    grown = True
    while grown:
        grown = False
        for name, node in classes.items():
            if name not in found and (any(_is_module_base(base, found) for base in node.bases) or _defines_forward(node.body)):
                found.add(name)
                grown = True
    return found


def _is_module_base(base: ast.expr, known: set[str]) -> bool:
    text = ast.unparse(base)
    return text in known or text.endswith(("Module", "PreTrainedModel")) or text.startswith(("nn.", "torch.nn."))


def _defines_forward(body: Iterable[ast.stmt]) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == "forward" for each in body)
