"""missing-super-init: the module's registry is never set up

## Looks for
A Module class whose ``__init__`` never calls ``super().__init__()``, or assigns a layer, parameter or buffer before that
call.

## Why it matters
``nn.Module.__init__`` makes the dictionaries in which layers, parameters and buffers are registered. Before it has run,
assigning a layer raises ``AttributeError: cannot assign module before Module.__init__() call``: the model cannot be built.

## How to mend it
Make ``super().__init__()`` the first statement of ``__init__``.

## Quiet when
* an instance of the class is in the model: then its registry was set up, however that was done;
* only plain attributes (numbers, strings, lists) are assigned before the call: they need no registry;
* the call is made by a method that ``__init__`` calls, or names a base class (``nn.Module.__init__(self)``).

## Known limits
A call in one branch of an ``if`` counts as a call. Classes that inherit from an installed package's class are judged only
where a layer is assigned, since that base may set the registry up in ``__new__``.

## Sources
``torch/nn/modules/module.py`` (``__setattr__`` raises); the official tutorial's first rule for a Module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Function, Sources, UsedClass, is_super, self_attribute, sources
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("source",)
REGISTERING = frozenset({"register_buffer", "register_parameter", "register_module", "add_module"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per class."""
    known = sources(facts)
    for cls in known.classes:
        init = cls.methods.get("__init__")
        if init is None or cls.paths or not known.is_module(cls):
            continue
        called = next((node for node in ordered(init) if calls_init(known, cls, node)), None)
        early = next((node for node in ordered(init) if registers(known, cls, node)), None)
        if called is None and early is None and not inherits_directly(cls):
            continue
        if called is None:
            message = f"__init__ of {cls.node.name} never calls super().__init__()"
            place: ast.AST = early or init
        elif early is not None and early.lineno < called.lineno:
            message = (
                f"__init__ of {cls.node.name} assigns a layer or tensor on line {early.lineno}, "
                f"before super().__init__() on line {called.lineno}"
            )
            place = early
        else:
            continue
        yield Finding(
            check="missing-super-init",
            severity=SEVERITY,
            message=message,
            module=cls.module,
            location=cls.file.location(place, f"{cls.node.name}.__init__"),
            evidence={"class": cls.node.name, "super_init_line": called.lineno if called is not None else None},
            why=(
                "Until nn.Module.__init__ has run there is no registry: assigning a layer raises AttributeError, the "
                "model cannot be built."
            ),
            fix="Make super().__init__() the first statement of __init__.",
            code=f"def __init__({ast.unparse(init.args)}):\n    super().__init__()\n    ...",
        )


def ordered(function: Function) -> Iterator[ast.stmt]:
    """Its simple statements, in the order of the text."""
    found = (node for node in ast.walk(function) if isinstance(node, ast.stmt) and node is not function)
    return iter(sorted((node for node in found if not hasattr(node, "body")), key=lambda node: node.lineno))


def calls_init(known: Sources, cls: UsedClass, statement: ast.AST, depth: int = 2) -> bool:
    """Does a statement call the base's ``__init__``, itself or through a method of the class?"""
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "__init__" and (is_super(node.func.value) or node.args or node.keywords):
            return True
        if depth and isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
            method = known.method(cls, node.func.attr)
            if method is not None and calls_init(known, cls, method[1], depth - 1):
                return True
    return False


def registers(known: Sources, cls: UsedClass, statement: ast.AST) -> bool:
    """Does a statement register a layer, parameter or buffer on ``self``?"""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        return isinstance(called, ast.Attribute) and called.attr in REGISTERING and isinstance(called.value, ast.Name)
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Call):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if not any(isinstance(target, ast.Attribute) and self_attribute(target) for target in targets):
        return False
    made = statement.value.func
    name = cls.file.resolve(made)
    if name.startswith("torch.nn.") and not name.startswith(("torch.nn.functional.", "torch.nn.init.")):
        return name.rpartition(".")[2][:1].isupper()
    local = made.id if isinstance(made, ast.Name) else ""
    return local in known.by_name and known.is_module(known.by_name[local])


def inherits_directly(cls: UsedClass) -> bool:
    """Is a base torch's own Module (or one of its layers)?"""
    return any((cls.file.resolve(base) or ast.unparse(base)).startswith(("torch.nn.", "nn.")) for base in cls.node.bases)
