"""checkpoint-mismatch: the checkpoint is not of this model

## Looks for
Keys that the model has and ``--weights`` lacks, keys that the model does not know, and tensors of another shape.

## Why it matters
With ``strict=False`` such a load succeeds in silence and the layers concerned start from random values: the model answers,
and answers badly.

## How to mend it
Rename the keys, or change the model back to what was trained. Where the head was replaced on purpose, drop its keys before
loading.

## Quiet when
Only ``num_batches_tracked`` counters are missing: old checkpoints do not have them.

## Known limits
A new head on an old backbone is meant, and is reported all the same; the message names the keys.

## Sources
``Module.load_state_dict`` returns the lists and nobody looks at them; no tool read here has the check.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup, spread_names
from nnreport.facts import Facts
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "error"
NEEDS = ("target",)
PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "backbone.", "encoder.", "student.", "teacher.")
"""What wrappers (DataParallel, Lightning, torch.compile) put before every key."""
COUNTERS = "num_batches_tracked"


def check(facts: Facts) -> Iterator[Finding]:
    """At most one finding."""
    target = facts.target
    missing = [key for key in target.missing_keys if not key.endswith(COUNTERS)]
    unexpected, wrong = target.unexpected_keys, target.mismatched_keys
    if not (missing or unexpected or wrong):
        return
    named = lookup(facts)
    parts = []
    if missing:
        parts.append(f"lacks {len(missing)} of the model's tensors ({spread_names(missing, 3)})")
    if wrong:
        shapes = [f"{key}: {theirs} for {ours}" for key, (ours, theirs) in list(wrong.items())[:3]]
        parts.append(f"has {len(wrong)} of another shape ({'; '.join(shapes)})")
    if unexpected:
        parts.append(f"has {len(unexpected)} that the model does not know ({spread_names(list(unexpected), 3)})")
    first = (missing or list(wrong) or list(unexpected))[0]
    path = first.rpartition(".")[0]
    severity: Severity = SEVERITY if missing or wrong else "warning"
    prefix = wrapped(missing, unexpected)
    yield Finding(
        check="checkpoint-mismatch",
        severity=severity,
        message=f"the checkpoint {target.weights or 'given'} {', '.join(parts)}",
        module=path if path in named.modules else None,
        modules=list(
            dict.fromkeys(key.rpartition(".")[0] for key in (*missing, *wrong) if key.rpartition(".")[0] in named.modules)
        ),
        location=named.class_line(path) if path in named.modules else target.location,
        evidence={"missing": len(missing), "unexpected": len(unexpected), "wrong_shape": len(wrong)},
        why="Those tensors keep their random start, and a load with strict=False says nothing of it."
        if missing or wrong
        else "What the checkpoint knows of those layers is lost.",
        fix=(
            f"Every key carries the prefix {prefix!r}: strip it."
            if prefix
            else "Rename the keys, or make the model what was trained."
        ),
        code=f"state = {{key.removeprefix({prefix!r}): value for key, value in state.items()}}" if prefix else "",
    )


def wrapped(missing: list[str], unexpected: list[str]) -> str:
    """The prefix that turns all unexpected keys into missing ones, or the empty string."""
    wanted = set(missing)
    for prefix in PREFIXES:
        everywhere = bool(unexpected) and all(key.startswith(prefix) for key in unexpected)
        if everywhere and {key.removeprefix(prefix) for key in unexpected} & wanted:
            return prefix
    return ""
