"""One cause is one finding, and independent faults stay apart."""

from probing import chain, probe

from nnreport.checks.causes import TABLE, fold_consequences
from nnreport.checks.registry import all_checks
from nnreport.facts import Facts, Reach
from nnreport.finding import Finding

GRAPH = chain("linear", "relu", "linear", "relu", "linear", modules=("a", "r1", "b", "r2", "c"))


def finding(check: str, module: str | None = None, severity: str = "error", **evidence: object) -> Finding:
    return Finding(check=check, severity=severity, message=f"{check} message", module=module, evidence=evidence)  # type: ignore[arg-type]


def fold(*findings: Finding, facts: Facts | None = None) -> dict[str, Finding]:
    return {each.check: each for each in fold_consequences(list(findings), facts or Facts(graph=GRAPH))}


def test_a_dead_layer_explains_what_starves_before_and_repeats_after_it() -> None:
    left = fold(
        finding("no-gradient", "a"),
        finding("dead-relu", "r1", dead_units=1.0),
        finding("cannot-overfit"),
        finding("constant-output"),
        finding("collapsed-features", "b", "warning"),
    )
    assert list(left) == ["dead-relu"]
    assert len(left["dead-relu"].consequences) == 4


def test_a_half_dead_layer_explains_nothing() -> None:
    assert len(fold(finding("dead-relu", "r1", "warning", dead_units=0.7), finding("no-gradient", "a"))) == 2


def test_faults_of_unconnected_modules_stay_apart() -> None:
    left = fold(finding("dead-relu", "elsewhere", dead_units=1.0), finding("no-gradient", "a"))
    assert set(left) == {"dead-relu", "no-gradient"}


def test_a_note_explains_nothing() -> None:
    assert len(fold(finding("softmax-with-cross-entropy", "", "note"), finding("cannot-overfit"))) == 2


def test_a_cause_takes_over_the_worse_severity_where_the_table_says_so() -> None:
    left = fold(finding("learning-rate-high", severity="warning"), finding("loss-diverges"), finding("exploding-gradient"))
    assert list(left) == ["learning-rate-high"]
    assert left["learning-rate-high"].severity == "error"


def test_lines_of_a_consequence_move_with_it() -> None:
    runaway = finding("loss-diverges")
    runaway.consequences = ["update-too-large: told before"]
    left = fold(finding("large-init", "a", "warning"), runaway)
    assert left["large-init"].consequences == ["loss-diverges: loss-diverges message", "update-too-large: told before"]


def test_the_runaway_loss_or_the_operation_whichever_came_first() -> None:
    grown = Facts(graph=GRAPH, probe=probe([1.0, 4.0, 90.0, "inf", "nan"]))
    left = fold(finding("loss-diverges"), finding("non-finite", "a", step=3), facts=grown)
    assert list(left) == ["loss-diverges"]
    sudden = Facts(graph=GRAPH, probe=probe([1.0, 0.9, 0.8, "nan", "nan"]))
    left = fold(finding("loss-diverges"), finding("non-finite", "a", step=3), facts=sudden)
    assert list(left) == ["non-finite"]


def test_a_rate_does_not_kill_what_was_born_dead() -> None:
    left = fold(
        finding("learning-rate-high", severity="warning"), finding("dead-relu", "r1", dead_before_training=1.0, dead_units=1.0)
    )
    assert len(left) == 2


def test_a_cut_explains_the_parameters_that_it_cuts_off_only() -> None:
    facts = Facts(graph=GRAPH, reach=Reach(cut_parameters={"2": ["a.weight"]}))
    assert list(fold(finding("graph-cut", "r1"), finding("no-gradient", "a"), facts=facts)) == ["graph-cut"]
    assert len(fold(finding("graph-cut", "r1"), finding("no-gradient", "c"), facts=facts)) == 2


def test_the_table_speaks_of_checks_that_exist() -> None:
    known = {check.slug for check in all_checks()} | SCRIPT
    told = {row.cause for row in TABLE} | {effect for row in TABLE for effect in row.effects}
    assert told <= known, told - known


SCRIPT = {"optimizer-misses-parameters"}
"""Checks of a watched training script."""
