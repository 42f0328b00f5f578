"""The user's classes as syntax, and what of their code runs in a forward.

Source checks look at the classes that the model is built of, and in them at the functions that ``forward`` reaches: methods
called on ``self``, methods of bases, functions of the same file. ``predict_proba`` or ``training_step`` are another matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from nnreport.facts import Facts, Location, SourceFile

Function = ast.FunctionDef | ast.AsyncFunctionDef
CONVENTIONS = {"nn": "torch.nn", "F": "torch.nn.functional", "torch": "torch", "np": "numpy", "numpy": "numpy"}
"""What these names mean in a file that does not say where it got them (star imports, helpers of a package)."""


class File:
    """One file of the user's, parsed."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.path = source.path
        self.lines = source.text.splitlines()
        try:
            self.tree: ast.Module = ast.parse(source.text)
        except (SyntaxError, ValueError):
            self.tree = ast.Module(body=[], type_ignores=[])
        self.functions: dict[str, Function] = {each.name: each for each in self.tree.body if isinstance(each, Function)}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node -> the node around it."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted origin."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
        return names

    def resolve(self, node: ast.AST) -> str:
        """Dotted origin of a name or attribute: ``F.dropout`` -> ``torch.nn.functional.dropout``; ``""`` for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        origin = self.imports.get(node.id) or CONVENTIONS.get(node.id)
        return ".".join([origin, *reversed(parts)]) if origin else ""

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def tests_around(self, node: ast.AST, inside: ast.AST) -> Iterator[ast.expr]:
        """Conditions of the ``if``, ``while`` and conditional expressions around a node, up to the function ``inside``."""
        for outer in self.around(node):
            if outer is inside:
                return
            if isinstance(outer, ast.If | ast.IfExp | ast.While) and node is not outer.test:
                yield outer.test

    def location(self, node: ast.AST, function: str = "") -> Location:
        """Where a node stands."""
        line = getattr(node, "lineno", 1)
        text = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        return Location(path=self.path, line=line, function=function, text=text)


class UsedClass:
    """A class of the user's that the model is built of."""

    def __init__(self, file: File, node: ast.ClassDef, name: str, paths: list[str]) -> None:
        self.file = file
        self.node = node
        self.name = name
        self.paths = paths
        """Paths of its instances in the model; empty for a base, or where no model was made."""
        self.methods: dict[str, Function] = {each.name: each for each in node.body if isinstance(each, Function)}

    @property
    def module(self) -> str | None:
        """The first instance's path."""
        return self.paths[0] if self.paths else None


class Code:
    """One function that a forward reaches."""

    def __init__(self, owner: UsedClass, file: File, function: Function) -> None:
        self.owner = owner
        self.file = file
        self.function = function
        self.nodes: list[ast.AST] = [node for statement in function.body for node in walk_without_classes(statement)]

    @property
    def name(self) -> str:
        """``Net.forward``, or the bare name of a function."""
        method = self.file.parents.get(self.function)
        return f"{method.name}.{self.function.name}" if isinstance(method, ast.ClassDef) else self.function.name

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """(call, dotted origin of what is called or ``""``)."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.file.resolve(node.func)

    def location(self, node: ast.AST) -> Location:
        return self.file.location(node, self.name)

    def tests(self, node: ast.AST) -> list[ast.expr]:
        """Conditions under which a node runs."""
        return list(self.file.tests_around(node, self.function))


def walk_without_classes(node: ast.AST) -> Iterator[ast.AST]:
    """:func:`ast.walk`, in the order of the text, without the inside of classes."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef):
            yield from walk_without_classes(child)


def classes_in(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    """(qualified name without ``<locals>``, node) of all classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from classes_in(node, f"{prefix}{node.name}.")
        elif isinstance(node, Function):
            yield from classes_in(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.stmt):
            yield from classes_in(node, prefix)


class Sources:
    """All that the source checks ask of one :class:`~nnreport.facts.Facts`."""

    def __init__(self, facts: Facts) -> None:
        self.files = [File(source) for source in facts.source if source.text]
        instances: dict[tuple[str, int], list[str]] = {}
        for module in facts.tree.modules if facts.tree else ():
            if module.location is not None and module.location.user:
                instances.setdefault((module.location.path, module.location.line), []).append(module.path)
        self.have_instances = bool(instances)
        self.by_name: dict[str, UsedClass] = {}
        self.classes: list[UsedClass] = []
        for file in self.files:
            used = {each.name for each in file.source.classes if each.used}
            for name, node in classes_in(file.tree):
                found = UsedClass(file, node, name, instances.get((file.path, node.lineno), []))
                self.by_name.setdefault(node.name, found)
                if name in used:
                    self.classes.append(found)

    def bases(self, cls: UsedClass) -> list[UsedClass]:
        """The class itself and its bases in the user's files, nearest first."""
        found: dict[int, UsedClass] = {}
        stack = [cls]
        while stack:
            each = stack.pop(0)
            if id(each) not in found:
                found[id(each)] = each
                for base in each.node.bases:
                    name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
                    if name in self.by_name:
                        stack.append(self.by_name[name])
        return list(found.values())

    def is_module(self, cls: UsedClass) -> bool:
        """Does it derive from something that looks like a torch module?"""
        for each in self.bases(cls):
            for base in each.node.bases:
                text = each.file.resolve(base) or ast.unparse(base)
                if text.startswith("torch.nn.") or text.rpartition(".")[2].endswith(("Module", "PreTrainedModel")):
                    return True
        return False

    def method(self, cls: UsedClass, name: str, after: UsedClass | None = None) -> tuple[UsedClass, Function] | None:
        """The method that ``self.name`` means for an instance of ``cls``; ``after``: what ``super().name`` means there."""
        line = self.bases(cls)
        if after is not None and after in line:
            line = line[line.index(after) + 1 :]
        return next(((each, each.methods[name]) for each in line if name in each.methods), None)

    @cached_property
    def forward(self) -> list[Code]:
        """The functions that the forward of a used class reaches, each once, in the order of the files."""
        found: dict[ast.AST, Code] = {}
        derived = {id(base) for cls in self.classes for base in self.bases(cls)[1:]}
        for cls in self.classes:
            if self.have_instances and not cls.paths and id(cls) in derived:
                continue  # only a base: what its subclasses keep of it is reached from them
            start = self.method(cls, "forward")
            if start is not None:
                self._reach(cls, start[0], start[1], found)
        return list(found.values())

    def _reach(self, cls: UsedClass, owner: UsedClass, function: Function, found: dict[ast.AST, Code]) -> None:
        if function in found:
            return
        code = found[function] = Code(cls, owner.file, function)
        for node in code.nodes:
            if not isinstance(node, ast.Call | ast.Attribute):
                continue
            called = node.func if isinstance(node, ast.Call) else node
            target: tuple[UsedClass, Function] | None = None
            if isinstance(called, ast.Attribute):
                if isinstance(called.value, ast.Name) and called.value.id == "self":
                    target = self.method(cls, called.attr)
                elif is_super(called.value):
                    target = self.method(cls, called.attr, after=owner)
            elif isinstance(called, ast.Name) and called.id in owner.file.functions:
                target = (owner, owner.file.functions[called.id])
            if target is not None and target[1].name != "__init__":
                self._reach(cls, *target, found)


def is_super(node: ast.AST) -> bool:
    """``super()`` or ``super(Net, self)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The value of the first of these keyword arguments that a call has."""
    return next((each.value for each in call.keywords if each.arg in names), None)


def mentions(node: ast.AST, *words: str) -> bool:
    """Does a name or attribute in it contain one of the words?"""
    for each in ast.walk(node):
        text = each.id if isinstance(each, ast.Name) else each.attr if isinstance(each, ast.Attribute) else ""
        if any(word in text.lower() for word in words):
            return True
    return False


def self_attribute(node: ast.AST) -> str:
    """``a.b`` of ``self.a.b`` (subscripts are looked past: ``self.layers[0]`` is ``layers``), else the empty string."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        node = node.value
    return ".".join(reversed(parts)) if parts and isinstance(node, ast.Name) and node.id == "self" else ""


_last: tuple[Facts, Sources] | None = None


def sources(facts: Facts) -> Sources:
    """The parsed files of these facts; the last ones made are kept."""
    global _last
    if _last is None or _last[0] is not facts:
        _last = (facts, Sources(facts))
    return _last[1]
