"""module-in-forward: a layer is made anew in every forward

## Looks for
A module with weights (``nn.Linear``, a convolution, a norm …) or an ``nn.Parameter`` that is created inside ``forward``, or
in a method that ``forward`` calls.

## Why it matters
Each call draws fresh random weights. They are in no optimizer and no checkpoint, stay on the CPU, and what the layer learnt
in one step is thrown away before the next: it is noise in the middle of the network.

## How to mend it
Create the layer once in ``__init__`` and call it in ``forward``. Where its size is only known at run time, use a lazy layer
(``nn.LazyLinear``, ``nn.LazyConv2d``).

## Quiet when
* the module has no weights (``nn.ReLU()``, ``nn.Softmax(dim=1)``, a norm with ``affine=False``);
* it is built once and kept: the assignment stands under a condition on the attribute itself (``if self.proj is None:``);
* an ``nn.Parameter`` is made with ``requires_grad=False``.

## Known limits
Modules that a helper of another file makes are seen only when the recorded forward met them. A layer built in forward whose
weights are then overwritten on purpose (hypernetworks should use ``F.linear``) is reported.

## Sources
The walk over the autograd graph's leaves finds such a layer exactly: two stray leaves, loss 2.35 → 2.32 without learning
(calibration of this project); no published tool has the rule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnreport.checks.astwalk import Code, Sources, keyword, self_attribute, sources
from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, Location
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ()
AFFINE_BY_DEFAULT = {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "LayerNorm", "GroupNorm", "RMSNorm"}
PARAMETRISED = AFFINE_BY_DEFAULT | {
    *(f"{lazy}Conv{transposed}{n}d" for lazy in ("", "Lazy") for transposed in ("", "Transpose") for n in (1, 2, 3)),
    *(
        [
            "Linear",
            "LazyLinear",
            "Bilinear",
            "Embedding",
            "EmbeddingBag",
            "RNN",
            "LSTM",
            "GRU",
            "RNNCell",
            "LSTMCell",
            "GRUCell",
            "MultiheadAttention",
            "PReLU",
        ]
    ),
    *(["Transformer", "TransformerEncoder", "TransformerDecoder", "TransformerEncoderLayer", "TransformerDecoderLayer"]),
}
"""Classes of torch.nn that own weights."""


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per place; the source names it, a recorded forward that met one adds what the source did not show."""
    known = sources(facts)
    named = lookup(facts)
    seen: set[tuple[str, int]] = set()
    for code in known.forward:
        for call, name in code.calls():
            made = weighted(known, code, call, name)
            if not made or kept(code, call):
                continue
            where = code.location(call)
            if (where.path, where.line) in seen:
                continue
            seen.add((where.path, where.line))
            yield finding(made, where, code.owner.module, code.name, ast.unparse(call))
    for stray in facts.tree.stray if facts.tree else ():
        if stray.in_forward and stray.used and stray.kind == "module":
            where_or_none = stray.location
            if where_or_none is not None and (where_or_none.path, where_or_none.line) in seen:
                continue
            if where_or_none is not None and any(path == where_or_none.path for path, _ in seen):
                continue  # the same layer, seen from its call and not from its making
            made = stray.cls.rpartition(".")[2] or "layer"
            yield finding(made, where_or_none or named.call_line(stray.owner), stray.owner, "forward", "")


def finding(made: str, where: Location | None, module: str | None, function: str, text: str) -> Finding:
    noun = "an nn.Parameter" if made == "Parameter" else f"a {made}"
    made_text = text if len(text) <= 80 else f"nn.{made}(...)"
    return Finding(
        check="module-in-forward",
        severity=SEVERITY,
        message=f"{noun} with weights of its own is made inside {function}: every call starts from new random weights",
        module=module,
        location=where,
        evidence={"made": made, "in": function},
        why=(
            "The new weights are in no optimizer and no state_dict, so they can never learn, and the output "
            "changes from call to call."
        ),
        fix=f"Create the {made} once in __init__ and use it in forward.",
        code=f"# in __init__:\nself.layer = {made_text}\n# in forward:\nself.layer(...)" if made_text else "",
    )


def weighted(known: Sources, code: Code, call: ast.Call, name: str) -> str:
    """The class of the weighted module that a call makes, or the empty string."""
    bare = name.rpartition(".")[2]
    if name.startswith("torch.nn.") and not name.startswith("torch.nn.functional."):
        if bare == "Parameter":
            return "" if is_false(keyword(call, "requires_grad")) else bare
        if bare in PARAMETRISED and not is_false(keyword(call, "affine", "elementwise_affine")):
            return bare
        return ""
    local = call.func.id if isinstance(call.func, ast.Name) else ""
    return local if local in known.by_name and owns_weights(known, local, set()) else ""


def owns_weights(known: Sources, name: str, seen: set[str]) -> bool:
    """Does a user's class make weighted modules or parameters in its ``__init__``?"""
    if name in seen or name not in known.by_name or not known.is_module(known.by_name[name]):
        return False
    seen.add(name)
    for cls in known.bases(known.by_name[name]):
        for node in ast.walk(cls.methods["__init__"]) if "__init__" in cls.methods else ():
            if isinstance(node, ast.Call):
                made = cls.file.resolve(node.func)
                bare = made.rpartition(".")[2]
                if made.startswith("torch.nn.") and (bare in PARAMETRISED or bare == "Parameter"):
                    return True
                if isinstance(node.func, ast.Name) and owns_weights(known, node.func.id, seen):
                    return True
    return False


def kept(code: Code, call: ast.Call) -> bool:
    """Is it built once, under a condition on an attribute of ``self`` that it then becomes?"""
    targets = {
        self_attribute(target).partition(".")[0]
        for outer in code.file.around(call)
        if isinstance(outer, ast.Assign)
        for target in outer.targets
        if self_attribute(target)
    }
    for test in code.tests(call):
        text = ast.unparse(test)
        if targets and any(f"self.{target}" in text or repr(target) in text for target in targets):
            return True
        if "hasattr(self" in text:
            return True
    return False


def is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
