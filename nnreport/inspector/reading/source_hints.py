"""The loss and the optimizer that the user's own file names, as a hint for the probe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from nnreport.facts import Location, SourceFile

LOSS_CLASSES = {
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "MSELoss": "mse_loss",
    "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss",
    "KLDivLoss": "kl_div",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
}
"""Loss class of torch.nn -> function of torch.nn.functional."""
LOSS_FUNCTIONS = frozenset(LOSS_CLASSES.values())
OPTIMIZERS = frozenset(
    ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]  # takes a plain step
)
"""Classes of torch.optim that a probe can step without a closure."""


def source_hints(files: list[SourceFile]) -> dict[str, Any]:
    """``loss``, ``loss_location``, ``optimizer`` (``"sgd:lr=0.01,momentum=0.9"``), ``optimizer_location``: each only where the
    target's file names exactly one.

    Names are resolved through the file's own imports, so that a user's class of the same name is none. No hint are: a loss
    inside a ``forward`` (a module's auxiliary term), a loss that is one term of a sum (``bce + kl``), and an optimizer with
    arguments that are no literals (``lr=args.lr``), since half of its settings would be ours.
    """
    return next((hints_of(file) for file in files if file.target and file.text), {})


def hints_of(file: SourceFile) -> dict[str, Any]:
    """The hints of one file; nothing where it does not parse."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError):
        return {}
    names = imported_names(tree)
    losses: dict[str, ast.Call] = {}
    optimizers: dict[str, ast.Call] = {}
    composed = False
    for call, function in calls(tree):
        dotted = resolve(call.func, names)
        loss = loss_name(dotted)
        if loss:
            if function is not None and (function.name == "forward" or is_term(call, function)):
                composed = True  # no single name tells the file's loss
            losses.setdefault(loss, call)
        bare = dotted.rpartition(".")[2]
        if dotted.startswith("torch.optim.") and bare in OPTIMIZERS:
            optimizers.setdefault(spell(bare, call) or "?", call)
    found: dict[str, Any] = optimizer_hint(file, optimizers)
    if len(losses) == 1 and not composed:
        (name, call), *_ = losses.items()
        found |= {"loss": name, "loss_location": location(file, call)}
    return found


def optimizer_hint(file: SourceFile, optimizers: dict[str, ast.Call]) -> dict[str, Any]:
    """The optimizer, where there is one and its settings are known."""
    if len(optimizers) != 1 or "?" in optimizers:
        return {}
    (spelling, call), *_ = optimizers.items()
    return {"optimizer": spelling, "optimizer_location": location(file, call)}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def calls(tree: ast.AST, function: Function | None = None) -> Iterator[tuple[ast.Call, Function | None]]:
    """(call, innermost function around it) in the order of the text."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield node, function
        yield from calls(node, node if isinstance(node, Function) else function)


def is_term(call: ast.Call, function: Function) -> bool:
    """Is the value of the call added to something else, directly or through a variable of its own?"""
    variables = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and call in list(ast.walk(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    logged = {  # loss.item() and the like: a number for the screen
        id(node.value) for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr in ("item", "detach")
    }

    def mentions(tree: ast.AST) -> bool:
        return any(
            node is call or (isinstance(node, ast.Name) and node.id in variables and id(node) not in logged)
            for node in ast.walk(tree)
        )

    return any(
        (isinstance(node, ast.AugAssign) and (mentions(node.value) or mentions(node.target)))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and mentions(node))
        for node in ast.walk(function)
    )


def imported_names(tree: ast.AST) -> dict[str, str]:
    """Local name -> dotted origin, from every import of the file."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def resolve(node: ast.expr, names: dict[str, str]) -> str:
    """Dotted origin of an expression: ``F.nll_loss`` -> ``torch.nn.functional.nll_loss``; empty where it is no imported name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def loss_name(dotted: str) -> str:
    """The function of torch.nn.functional behind a dotted name, or the empty string."""
    if not dotted.startswith("torch."):
        return ""
    bare = dotted.rpartition(".")[2]
    if bare in LOSS_CLASSES:
        return LOSS_CLASSES[bare]
    return bare if bare in LOSS_FUNCTIONS else ""


def spell(name: str, call: ast.Call) -> str | None:
    """The optimizer as ``--optimizer`` writes it, or None where a setting is no literal."""
    values: dict[str, Any] = {}
    arguments = list(call.args[1:])
    if len(arguments) > 1 or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    if arguments:
        values["lr"] = arguments[0]
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        if keyword.arg != "params":
            values[keyword.arg] = keyword.value
    written = []
    for key, node in values.items():
        try:
            value = ast.literal_eval(node)
        except ValueError:
            return None
        if not isinstance(value, int | float | bool | tuple):
            return None
        if isinstance(value, tuple):  # betas: the probe's own are the same but for rare cases, and the spelling has no tuples
            continue
        written.append(f"{key}={value!r}")
    return f"{name.lower()}:{','.join(written)}" if written else name.lower()


def location(file: SourceFile, node: ast.AST) -> Location:
    """Where a node of the file stands."""
    line = getattr(node, "lineno", 1)
    lines = file.text.splitlines()
    return Location(path=file.path, line=line, text=lines[line - 1].strip() if line <= len(lines) else "")
