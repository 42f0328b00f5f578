"""deprecated-variable: idioms that PyTorch has left behind

## Looks for
``torch.autograd.Variable``, ``F.sigmoid`` and ``F.tanh``, ``torch.max(x, 1)[1]``, initialisers without their underscore,
``volatile=``, ``size_average=``, ``F.upsample``, ``torch.norm``, the old linear algebra names and other things that are
deprecated or gone, in the classes that the model is built of.

## Why it matters
None of it computes anything wrong today. ``Variable(x)`` has done nothing since PyTorch 0.4; the rest warns now and raises in
some later release, and a reader takes old idioms for an old, unmaintained model.

## How to mend it
Each finding gives the present spelling.

## Quiet when
* the name belongs to something else (a class of the user's own called ``Variable``);
* the code is not part of the model (training script, unused classes).

## Known limits
``from torch import *`` hides where a name comes from; only the usual spellings are recognised then.

## Sources
TorchFix rules TOR101-TOR105; PyTorch release notes 0.4 (Variable merged into Tensor), 1.0, 1.9 (torch.linalg), 2.x
(torch.norm, amp).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, Sources, keyword, sources
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "note"
NEEDS = ("source",)
FUNCTIONAL = "torch.nn.functional."
RENAMED = {
    "torch.autograd.Variable": ("the tensor itself", "Variable does nothing since PyTorch 0.4"),
    FUNCTIONAL + "sigmoid": ("torch.sigmoid", "F.sigmoid is deprecated"),
    FUNCTIONAL + "tanh": ("torch.tanh", "F.tanh is deprecated"),
    FUNCTIONAL + "upsample": ("F.interpolate", "F.upsample is deprecated"),
    FUNCTIONAL + "upsample_nearest": ("F.interpolate", "F.upsample_nearest is deprecated"),
    FUNCTIONAL + "upsample_bilinear": (
        "F.interpolate(..., mode='bilinear', align_corners=True)",
        "F.upsample_bilinear is deprecated",
    ),
    "torch.nn.UpsamplingBilinear2d": (
        "nn.Upsample(mode='bilinear', align_corners=True)",
        "nn.UpsamplingBilinear2d is deprecated",
    ),
    "torch.nn.UpsamplingNearest2d": ("nn.Upsample(mode='nearest')", "nn.UpsamplingNearest2d is deprecated"),
    "torch.nn.utils.weight_norm": ("torch.nn.utils.parametrizations.weight_norm", "torch.nn.utils.weight_norm is deprecated"),
    "torch.norm": ("torch.linalg.vector_norm or torch.linalg.matrix_norm", "torch.norm is deprecated"),
    "torch.symeig": ("torch.linalg.eigh", "torch.symeig was removed"),
    "torch.eig": ("torch.linalg.eig", "torch.eig was removed"),
    "torch.lstsq": ("torch.linalg.lstsq", "torch.lstsq was removed"),
    "torch.solve": ("torch.linalg.solve", "torch.solve was removed"),
    "torch.matrix_rank": ("torch.linalg.matrix_rank", "torch.matrix_rank was removed"),
    "torch.cholesky": ("torch.linalg.cholesky", "torch.cholesky is deprecated"),
    "torch.qr": ("torch.linalg.qr", "torch.qr is deprecated"),
    "torch.svd": ("torch.linalg.svd", "torch.svd is deprecated"),
    "torch.ger": ("torch.outer", "torch.ger is deprecated"),
    "torch.range": ("torch.arange", "torch.range is deprecated"),
    "torch.cuda.amp.autocast": ("torch.autocast('cuda')", "torch.cuda.amp.autocast is deprecated"),
    "torch.cuda.amp.custom_fwd": ("torch.amp.custom_fwd", "torch.cuda.amp.custom_fwd is deprecated"),
    "torch.cuda.amp.custom_bwd": ("torch.amp.custom_bwd", "torch.cuda.amp.custom_bwd is deprecated"),
}
"""Dotted origin -> (present spelling, what became of it)."""
INITIALISERS = frozenset(
    [
        "uniform",
        "normal",
        "constant",
        "eye",
        "dirac",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
        "orthogonal",
        "sparse",
    ]
)
ARGUMENTS = {
    "volatile": ("torch.no_grad()", "volatile does nothing since PyTorch 0.4"),
    "size_average": ("reduction='mean' or 'sum'", "size_average is deprecated"),
    "reduce": ("reduction=", "reduce is deprecated"),
}
LOSSLIKE = ("Loss", "_loss", "cross_entropy", "kl_div", "binary_cross_entropy_with_logits")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per idiom, with all its places."""
    known = sources(facts)
    found: dict[str, list[tuple[Code, ast.AST, str, str]]] = {}
    for code in codes(known):
        for node, old, new, what in idioms(code):
            found.setdefault(what, []).append((code, node, old, new))
    for what, places in found.items():
        code, node, old, new = places[0]
        count = f" ({len(places)} places)" if len(places) > 1 else ""
        yield Finding(
            check="deprecated-variable",
            severity=SEVERITY,
            message=f"{what}: {old} in {code.name}{count}",
            module=code.owner.module,
            location=code.location(node),
            evidence={"places": len(places)},
            why="It computes the same today; a later PyTorch warns or raises.",
            fix=f"Use {new}.",
        )


def codes(known: Sources) -> list[Code]:
    """What forward reaches, and the constructors of the used classes."""
    return known.forward + [Code(cls, cls.file, cls.methods["__init__"]) for cls in known.classes if "__init__" in cls.methods]


def idioms(code: Code) -> Iterator[tuple[ast.AST, str, str, str]]:
    """(node, old spelling, new spelling, what became of it) of each old idiom in a function."""
    for node in code.nodes:
        if isinstance(node, ast.Call):
            name = code.file.resolve(node.func)
            bare = name.rpartition(".")[2]
            if name in RENAMED:
                yield (node, ast.unparse(node.func), *RENAMED[name])
            elif name.startswith("torch.nn.init.") and bare in INITIALISERS:
                yield node, ast.unparse(node.func), f"nn.init.{bare}_", f"nn.init.{bare} is deprecated"
            for argument, (new, what) in ARGUMENTS.items():
                if keyword(node, argument) is not None and (argument == "volatile" or bare.endswith(LOSSLIKE)):
                    yield node, f"{argument}=", new, what
        elif isinstance(node, ast.Subscript) and is_one(node.slice) and isinstance(node.value, ast.Call):
            call = node.value
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            dimension = call.args[1:] if code.file.resolve(call.func).startswith("torch.") else call.args
            if name in ("max", "min") and (dimension or keyword(call, "dim") is not None):
                new = f"{ast.unparse(call.func).rpartition('.')[0]}.arg{name}"
                yield node, ast.unparse(node), new, f"{name}(...)[1] takes the indices only"


def is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1
