"""One cause is one finding: findings that follow from another one become lines of it.

The knowledge is a table, nearest to the mend first. A row says which finding explains which others, and how their
modules must lie to each other: two independent faults at unrelated modules are never folded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from nnreport.checks.relations import Relations
from nnreport.checks.series import finite
from nnreport.facts import Facts
from nnreport.finding import SEVERITIES, Finding

Where = Literal["anywhere", "same", "inside", "connected", "before", "after", "cut_off", "same_line"]
"""Names of the methods of :class:`~nnreport.checks.relations.Relations`."""
Condition = Callable[[Finding, Finding, Facts], bool]


class Row(msgspec.Struct, frozen=True):
    """One piece of knowledge."""

    cause: str
    effects: frozenset[str]
    where: Where = "anywhere"
    raises: bool = False
    """The cause takes over the effect's severity where that is worse; without it a worse effect stands for itself."""
    when: Condition | None = None
    hushes: bool = False
    """A cause that is but a note explains the effect too, and stays one: what follows from a harmless thing is harmless."""


def row(
    cause: str,
    effects: str,
    where: Where = "anywhere",
    raises: bool = False,
    when: Condition | None = None,
    hushes: bool = False,
) -> Row:
    """A row from slugs separated by blanks."""
    return Row(cause=cause, effects=frozenset(effects.split()), where=where, raises=raises, when=when, hushes=hushes)


# ------------------------------------------------------------------------------------------------------------ conditions


def wholly_dead(cause: Finding, effect: Finding, facts: Facts) -> bool:
    """The dead layer lets nothing through."""
    share = cause.evidence.get("dead_units")
    return isinstance(share, (int, float)) and share > 0.9


def died_in_training(cause: Finding, effect: Finding, facts: Facts) -> bool:
    """The units lived before the first step; a rate or a runaway loss can only have killed those."""
    born = effect.evidence.get("dead_before_training")
    return not (effect.check == "dead-relu" and isinstance(born, (int, float)) and born > 0.6)


def after_growth(cause: Finding, effect: Finding, facts: Facts) -> bool:
    """The loss had grown before anything became non-finite: the runaway came first."""
    if effect.check != "non-finite":
        return died_in_training(cause, effect, facts)
    step = effect.evidence.get("step")
    losses = finite(facts.probe.losses) if facts.probe else []
    if not isinstance(step, int) or step < 2 or len(losses) < 2:
        return False
    return max(losses[: step + 1]) > 3 * abs(losses[0])


def most_of_the_net(cause: Finding, effect: Finding, facts: Facts) -> bool:
    """Over half of all trainable elements are concerned."""
    count, total = cause.evidence.get("elements"), facts.tree.trainable if facts.tree else 0
    return isinstance(count, int) and total > 0 and count > total / 2


# ----------------------------------------------------------------------------------------------------------------- table

FLAT = "constant-output collapsed-features ignored-input vanishing-signal logit-collapse"
"""All samples look alike."""
STUCK = "cannot-overfit loss-floor learning-rate-low"
"""The loss does not come down."""
STARVED = "no-gradient vanishing-gradient update-too-small"
"""Gradients do not arrive."""
WILD = "loss-diverges loss-oscillates exploding-gradient update-too-large"
"""The steps are too long."""

UNTRAINED = (
    "underfitting cannot-overfit loss-floor loss-oscillates learning-rate-low no-gradient vanishing-gradient update-too-small "
    "identical-layers"
)
"""Nothing, or not all, is trained."""

TABLE: tuple[Row, ...] = (
    # a training loop that does not do what it should: the model is what it was, and cannot be blamed
    row("stale-optimizer", f"optimizer-misses-parameters missing-backward missing-step {UNTRAINED}", raises=True),
    row("missing-backward", f"missing-step {UNTRAINED}", raises=True),
    row("missing-step", UNTRAINED, raises=True),
    row(
        "missing-zero-grad",
        f"loss-diverges loss-oscillates exploding-gradient update-too-large learning-rate-high non-finite dead-relu underfitting "
        f"overfitting saturated-activation collapsed-features {UNTRAINED}",
        raises=True,
    ),
    row("optimizer-misses-parameters", f"exploding-gradient underfitting no-gradient update-too-small {WILD}", raises=True),
    row("repeated-batch", "overfitting", raises=True),
    row("data-not-shuffled", f"overfitting {WILD}"),
    row("rank-mismatch", f"overfitting {WILD}"),
    row("script-error", "missing-step"),
    # nothing runs
    row("missing-super-init", "construction-error forward-error", raises=True),
    row("construction-error", "forward-error backward-error"),
    row(
        "forward-error",
        f"backward-error unused-module unused-output graph-cut nondeterministic-eval fixed-batch-size "
        f"mixed-batch "
        f"{FLAT} {STUCK} {STARVED} {WILD}",
    ),
    row("backward-error", f"graph-cut {STUCK} {STARVED}"),
    # the weights and the data
    row("non-finite-weights", f"non-finite {WILD} {FLAT} {STUCK} no-gradient", raises=True),
    row("label-range", f"loss-error loss-floor {WILD} {STUCK} non-finite"),
    row("label-dtype", f"loss-error {STUCK}"),
    row(
        "unnormalised-input",
        f"saturated-activation dead-relu initial-loss non-finite vanishing-signal {WILD} {STUCK}",
        raises=True,
    ),
    # output and loss do not fit
    row("single-logit-cross-entropy", f"loss-error no-gradient vanishing-gradient {STUCK}"),
    row("width-one-softmax", f"softmax-with-cross-entropy single-logit-cross-entropy {FLAT} {STUCK} {STARVED}"),
    row("logits-with-bce", f"loss-error non-finite {STUCK}"),
    row("softmax-with-cross-entropy", f"redundant-activation vanishing-gradient update-too-small {STUCK}"),
    row("sigmoid-with-bce-logits", f"redundant-activation vanishing-gradient {STUCK}"),
    row("probabilities-with-nll", f"{STUCK} loss-diverges"),
    row("loss-broadcast", f"{STUCK} constant-output"),
    row("self-labels", STUCK),
    row("relu-output", f"dead-relu {STUCK}", where="same", raises=True),
    row("relu-output", STUCK),
    # source and structure
    row("module-in-forward", "unregistered-module unregistered-parameter", where="same"),
    row("module-in-forward", f"nondeterministic-eval {STUCK}"),
    row("functional-dropout", "nondeterministic-eval"),
    row("unregistered-module", f"detach-in-forward unused-module no-gradient {STUCK}", where="same"),
    row("unregistered-parameter", f"no-gradient {STUCK}", where="same"),
    row("graph-cut", "detach-in-forward numpy-in-forward", where="same_line"),
    row("graph-cut", "no-gradient ignored-input", where="cut_off"),
    row("graph-cut", f"ignored-input {STUCK}"),
    row("unused-module", "no-gradient", where="inside", raises=True),
    row("unused-output", "no-gradient", where="same"),
    row("wrong-softmax-dim", f"mixed-batch {FLAT}", raises=True),
    row("optimizer-misses-parameters", STUCK),
    row("excessive-dropout", STUCK, raises=True),
    # initialisation
    row(
        "constant-init",
        f"identical-layers small-init dead-filters low-rank-weights saturated-activation dead-relu {FLAT} {STUCK} {STARVED}",
    ),
    row("large-init", "saturated-activation dead-relu", where="after", raises=True),
    row("large-init", f"initial-loss activation-explosion non-finite {WILD} {STUCK} vanishing-gradient", raises=True),
    row("small-init", f"{FLAT} {STUCK} {STARVED}", raises=True),
    row("activation-explosion", f"initial-loss non-finite {WILD}", raises=True),
    # numerics: the operation comes before what it does
    row("log-of-softmax", "unstable-op non-finite", where="same", raises=True),
    row("unstable-op", "non-finite", where="same", raises=True),
    # the learning rate
    row(
        "learning-rate-high", f"dead-relu non-finite collapsed-features cannot-overfit {WILD}", raises=True, when=died_in_training
    ),
    row("loss-diverges", f"non-finite dead-relu collapsed-features cannot-overfit {WILD}", when=after_growth),
    row(
        "non-finite",
        f"unstable-op half-overflow-risk {WILD} {STUCK} {STARVED} collapsed-features dead-relu constant-output ignored-input",
    ),
    row("exploding-gradient", "loss-oscillates update-too-large", raises=False),
    row("learning-rate-low", "update-too-small cannot-overfit", raises=True),
    # dead and saturated layers
    row("dead-relu", "no-gradient", where="inside", when=wholly_dead, hushes=True),
    row("dead-relu", f"{FLAT} {STARVED}", where="connected", raises=True, when=wholly_dead),
    row("dead-relu", STUCK, raises=True, when=wholly_dead),
    row("saturated-activation", f"vanishing-gradient {STUCK}", where="connected", raises=True),
    # signal and gradient, whichever was seen
    row("vanishing-gradient", f"{FLAT} {STUCK} update-too-small", raises=True),
    row("logit-collapse", f"{FLAT} {STUCK}", raises=True),
    row("vanishing-signal", f"{FLAT} {STUCK}", raises=True),
    row("no-gradient", STUCK, when=most_of_the_net),
    row("collapsed-features", f"constant-output ignored-input {STUCK}", raises=True),
    row("constant-output", f"ignored-input {STUCK}"),
    row("cannot-overfit", "loss-floor"),
)


def fold_consequences(findings: list[Finding], facts: Facts) -> list[Finding]:
    """The findings without those that another one explains; the cause lists them in ``consequences``.

    A note explains nothing, but where a row says that it hushes. The order of the others is kept.
    """
    relations = Relations(facts)
    gone: set[int] = set()
    for line in TABLE:
        for cause in findings:
            if cause.check != line.cause or id(cause) in gone or (cause.severity == "note" and not line.hushes):
                continue
            for effect in findings:
                if effect is cause or id(effect) in gone or effect.check not in line.effects:
                    continue
                worse = SEVERITIES.index(effect.severity) < SEVERITIES.index(cause.severity)
                hushed = line.hushes and cause.severity == "note"
                if worse and not line.raises and not hushed:
                    continue
                if not getattr(relations, line.where)(cause, effect) or not (
                    line.when is None or line.when(cause, effect, facts)
                ):
                    continue
                gone.add(id(effect))
                _take_over(cause, effect, worse and not hushed)
    return [finding for finding in findings if id(finding) not in gone]


def _take_over(cause: Finding, effect: Finding, worse: bool) -> None:
    """``effect``, and what was folded into it, become lines of ``cause``."""
    if worse:
        cause.severity = effect.severity
    for text in (f"{effect.check}: {effect.message}", *effect.consequences):
        if text not in cause.consequences:
            cause.consequences.append(text)
