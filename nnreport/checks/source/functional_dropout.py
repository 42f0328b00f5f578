"""functional-dropout: dropout that never stops

## Looks for
``F.dropout(x, p)`` without ``training=`` in code that ``forward`` reaches, and ``nn.Dropout(p)(x)`` made on the spot: both
drop in evaluation too.

## Why it matters
``F.dropout`` has ``training=True`` as its default and knows nothing of ``model.eval()``. In evaluation it goes on zeroing
activations at random: predictions change from call to call and are worse than the model could be.

## How to mend it
Pass ``training=self.training``, or use an ``nn.Dropout`` module made in ``__init__``.

## Quiet when
* ``training`` is passed, whatever it is (``training=True`` is a stated wish: Monte-Carlo dropout; ``nondeterministic-eval``
  still tells);
* the call stands under ``if self.training:`` (or after ``if not self.training: return``);
* ``p`` is 0, or its value depends on ``self.training``.

## Known limits
A rate computed in another function from ``self.training`` is not followed, and is reported.

## Sources
``torch.nn.functional.dropout`` documentation (default ``training=True``); transformers issue 33844 as replayed by TrainCheck;
a measured net with ``F.dropout(h, .5)``: two evaluations differ.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, keyword, mentions, sources
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("source",)
FUNCTIONS = frozenset(
    f"torch.nn.functional.{name}"
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
)
MODULES = frozenset(
    f"torch.nn.{name}" for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
)
TRAINING_ARGUMENT = 2
"""Position of ``training`` in ``dropout(input, p, training, inplace)``."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per class, with all its lines."""
    found: dict[int, list[tuple[Code, ast.Call, str]]] = {}
    for code in sources(facts).forward:
        for call, name in code.calls():
            made = isinstance(call.func, ast.Call) and code.file.resolve(call.func.func) in MODULES
            functional = name in FUNCTIONS and not passes_training(call)
            if (functional or made) and not governed(code, call):
                what = ast.unparse(call.func.func if made else call.func)  # type: ignore[attr-defined]
                found.setdefault(id(code.owner), []).append((code, call, what))
    for places in found.values():
        code, call, what = places[0]
        lines = sorted({each.lineno for _, each, _ in places})
        several = f" (also on line{'s' if len(lines) > 2 else ''} {', '.join(map(str, lines[1:]))})" if lines[1:] else ""
        made = isinstance(call.func, ast.Call)
        reason = "makes a new Dropout, which is in training mode," if made else f"calls {what} without training=self.training"
        yield Finding(
            check="functional-dropout",
            severity=SEVERITY,
            message=f"{code.name} {reason} on line {lines[0]}{several}: it drops in evaluation too",
            module=code.owner.module,
            modules=code.owner.paths,
            location=code.location(call),
            evidence={"calls": len(places), "lines": ", ".join(map(str, lines)), "training_default": True},
            why=(
                "F.dropout knows nothing of model.eval(): its training argument is True unless it is passed. "
                "Predictions will be random."
            ),
            fix="Pass training=self.training, or make an nn.Dropout in __init__ and call it here.",
            code=mended(call, made),
        )


def passes_training(call: ast.Call) -> bool:
    """Is ``training`` given, or may it be, or is the rate zero or dependent on the mode?"""
    if any(each.arg in ("training", None) for each in call.keywords) or any(isinstance(each, ast.Starred) for each in call.args):
        return True
    if len(call.args) > TRAINING_ARGUMENT:
        return True
    rate = call.args[1] if len(call.args) > 1 else keyword(call, "p")
    return rate is not None and (mentions(rate, "training") or (isinstance(rate, ast.Constant) and rate.value == 0))


def governed(code: Code, call: ast.Call) -> bool:
    """Does the code itself see to the mode: by a condition around, an early return, or a rate computed from it?"""
    if any(mentions(test, "training") for test in code.tests(call)):
        return True
    rate = call.args[1] if len(call.args) > 1 else keyword(call, "p")
    for node in code.nodes:
        left = isinstance(node, ast.If) and any(isinstance(each, ast.Return) for each in node.body)
        if left and node.lineno < call.lineno and mentions(node.test, "training"):  # type: ignore[attr-defined]
            return True
        if isinstance(node, ast.Assign) and isinstance(rate, ast.Name) and mentions(node.value, "training"):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if rate.id in names:
                return True
    return False


def mended(call: ast.Call, made: bool) -> str:
    """The call as it should be."""
    if made:
        arguments = ", ".join(map(ast.unparse, call.args))
        return f"# in __init__:\nself.dropout = {ast.unparse(call.func)}\n# here:\nself.dropout({arguments})"
    keywords = [*call.keywords, ast.keyword(arg="training", value=ast.parse("self.training", mode="eval").body)]
    return ast.unparse(ast.Call(func=call.func, args=call.args, keywords=keywords))
