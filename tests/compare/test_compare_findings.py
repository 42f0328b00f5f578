"""Findings followed from one report to the next: new, worse, fixed, still there, or not to be told."""

import msgspec
import pytest
from growing import grow, linear, plain
from sample_reports import forward_failed, no_probe, small

from nnreport.checks.registry import all_checks
from nnreport.compare.compare import compare
from nnreport.compare.findings import WANDERING
from nnreport.compare.records import Comparison
from nnreport.facts import Facts, Failure, Graph, Location, Probe, Stage
from nnreport.finding import Finding, Outcome
from nnreport.report import ModelSummary, Report

NET = {"fc1": linear(8, 8), "act": plain("ReLU"), "fc2": linear(8, 2)}


def finding(check: str = "dead-relu", module: str | None = "fc1", severity: str = "warning", line: int = 3, **more) -> Finding:
    text, function = more.pop("text", "x = self.fc1(x)"), more.pop("function", "Net.forward")
    where = Location(path=more.pop("path", "model.py"), line=line, text=text, function=function) if line else None
    return Finding(check=check, severity=severity, message=more.pop("message", "m"), module=module, location=where, **more)


def report(*findings: Finding, net=NET, outcomes: dict[str, tuple[str, str]] | None = None, **more) -> Report:
    """A whole report in which every check was made, unless it is said otherwise."""
    made = dict.fromkeys(("dead-relu", "mixed-batch", "forward-error", "graph-cut", "deprecated-variable"), ("passed", ""))
    made |= {each.check: ("found", "") for each in findings} | (outcomes or {})
    facts = Facts(tree=grow(net), graph=Graph(), probe=Probe(done=30, steps=30), source=more.pop("source", []))
    outcome_list = [Outcome(check=check, state=state, reason=reason) for check, (state, reason) in made.items()]
    return Report(model=ModelSummary(name="Net"), findings=list(findings), outcomes=outcome_list, facts=facts, **more)


def fates(old: Report, new: Report) -> list[tuple[str, str, str | None]]:
    return [(each.state, each.finding.check, each.finding.module) for each in compare(old, new).findings]


def only(comparison: Comparison):
    (change,) = comparison.findings
    return change


def test_lines_that_moved_and_numbers_that_differ_are_no_news():
    old = report(finding(line=3, message="93 % of 128 units"))
    new = report(finding(line=30, message="91 % of 128 units", text="x = torch.relu(self.fc1(x))"))
    assert fates(old, new) == [("still", "dead-relu", "fc1")]
    assert not compare(old, new).changed


def test_new_fixed_and_worse():
    assert fates(report(), report(finding())) == [("new", "dead-relu", "fc1")]
    assert fates(report(finding()), report()) == [("fixed", "dead-relu", "fc1")]
    worse = compare(report(finding()), report(finding(severity="error")))
    assert only(worse).state == "worse"
    assert worse.worst_new == "error"
    better = compare(report(finding(severity="error")), report(finding()))
    assert only(better).state == "still"
    assert better.worst_new is None


def test_the_same_check_at_another_layer_is_another_finding():
    assert fates(report(finding(module="fc1")), report(finding(module="fc2", text="y"))) == [
        ("new", "dead-relu", "fc2"),
        ("fixed", "dead-relu", "fc1"),
    ]


def test_a_renamed_layer_keeps_its_findings():
    renamed = {"hidden": NET["fc1"], "act": NET["act"], "fc2": NET["fc2"]}
    assert fates(report(finding()), report(finding(module="hidden"), net=renamed)) == [("still", "dead-relu", "hidden")]
    inside = {"blocks": [linear(3, 3), linear(4, 4)]}
    longer = {"blocks": [linear(2, 2), linear(3, 3), linear(4, 4)]}
    assert fates(report(finding(module="blocks.1"), net=inside), report(finding(module="blocks.2"), net=longer)) == [
        ("still", "dead-relu", "blocks.2")
    ]


def test_several_of_one_check_at_one_module_are_matched_one_to_one():
    two = [finding(line=3, text="a"), finding(line=5, text="b")]
    assert fates(report(*two), report(*two[::-1])) == [("still", "dead-relu", "fc1")] * 2
    assert [each[0] for each in fates(report(*two), report(two[1]))] == ["fixed", "still"]
    fixed = compare(report(*two), report(two[1])).of("fixed")
    assert fixed[0].finding.location.text == "a"
    assert [each[0] for each in fates(report(two[0]), report(*two))] == ["new", "still"]


def test_a_finding_in_the_source_follows_its_text_and_function():
    old = finding("deprecated-variable", None, line=3, text="y = Variable(x)", function="forward")
    moved = finding("deprecated-variable", None, line=90, text="y = Variable(x)", function="forward")
    reworded = finding("deprecated-variable", None, line=90, text="z = Variable(x, volatile=True)", function="forward")
    other = finding("deprecated-variable", None, line=90, text="z = Variable(x)", function="loss")
    assert fates(report(old), report(moved))[0][0] == "still"
    assert fates(report(old), report(reworded))[0][0] == "still"
    assert [each[0] for each in fates(report(old), report(other))] == ["new", "fixed"]


def test_what_is_wrong_with_the_whole_model_may_be_worst_elsewhere():
    old, new = finding("exploding-gradient", "fc1", line=0), finding("exploding-gradient", "fc2", line=0)
    change = only(compare(report(old), report(new)))
    assert (change.state, change.old.module, change.new.module) == ("still", "fc1", "fc2")
    assert {check.slug for check in all_checks()} >= WANDERING


def test_what_rests_on_times_comes_and_goes_with_the_machine():
    timed = finding("hot-layer", "fc1", "note")
    silent = report(outcomes={"hot-layer": ("passed", "")})
    assert only(compare(report(timed), silent)).state == "unchecked"
    assert only(compare(silent, report(timed))).state == "unchecked"
    wider = report(timed, net=NET | {"fc1": linear(8, 99)})
    assert only_state(compare(silent, wider), "hot-layer").state == "new"


def test_a_finding_of_a_layer_that_is_gone_is_fixed_and_says_so():
    change = only(compare(report(finding()), report(net={"act": NET["act"], "fc2": NET["fc2"]})))
    assert (change.state, change.reason) == ("fixed", "its layer is gone")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("ignored", "left out by --select or --ignore", "left out"),
        ("failed", "ZeroDivisionError: x", "failed"),
        ("not-applicable", "too few steps", "too few steps"),
    ],
)
def test_a_check_that_was_not_made_says_nothing(state: str, reason: str, words: str):
    silent = report(outcomes={"dead-relu": (state, reason)})
    gone = compare(report(finding()), silent)
    assert only(gone).state == "unchecked"
    assert words in only(gone).reason
    assert "this time" in only(gone).reason
    assert not gone.changed
    came = compare(silent, report(finding()))
    assert only(came).state == "unchecked"
    assert "before" in only(came).reason
    assert came.worst_new is None


def test_a_check_that_did_not_exist_yet():
    before = report()
    before.outcomes = []
    assert only(compare(before, report(finding()))).state == "unchecked"


def test_a_question_that_did_not_arise_is_an_answer_where_the_layer_itself_was_changed():
    gelu = NET | {"act": plain("GELU")}
    silent = {"dead-relu": ("not-applicable", "no ReLU was watched")}
    assert only(compare(report(finding(module="act")), report(net=gelu, outcomes=silent))).state == "fixed"
    assert only(compare(report(net=gelu, outcomes=silent), report(finding(module="act")))).state == "new"
    assert only(compare(report(finding(module="fc1")), report(net=gelu, outcomes=silent))).state == "unchecked"


def test_what_follows_from_another_finding_is_still_there():
    cause = finding("graph-cut", "fc1", consequences=["dead-relu: 93 % of the units"])
    found = {"dead-relu": ("found", "")}
    folded = only_state(compare(report(finding()), report(cause, outcomes=found)), "dead-relu")
    assert folded.state == "still"
    assert "graph-cut" in folded.reason
    surfaced = only_state(compare(report(cause, outcomes=found), report(finding())), "dead-relu")
    assert surfaced.state == "still"
    assert "before" in surfaced.reason


def only_state(comparison: Comparison, check: str):
    return next(each for each in comparison.findings if each.finding.check == check)


def test_nothing_is_fixed_by_a_forward_that_failed():
    broken = report(finding("forward-error", "fc2", "error"))
    broken.facts.failures = [Failure(phase="forward", exception="RuntimeError", message="m")]
    broken.facts.graph = Graph(complete=False)
    comparison = compare(report(finding()), broken)
    assert [each.state for each in comparison.findings] == ["new", "unchecked"]
    assert "forward failed" in only_state(comparison, "dead-relu").reason
    back = compare(broken, report(finding()))
    assert only_state(back, "forward-error").state == "fixed"
    assert only_state(back, "dead-relu").state == "unchecked"


def test_a_stage_that_died_fixes_nothing():
    late = report(stages=[Stage(name="probe", state="timeout", error="no end within 3 s")])
    comparison = compare(report(finding()), late)
    assert only(comparison).state == "unchecked"
    assert comparison.stages == ["the stage probe timed out"]


def test_a_failure_that_is_gone_is_fixed_though_its_check_has_nothing_to_do():
    """Checks of failures do not apply where nothing failed."""
    old = report(finding("loss-error", None, "error"))
    old.facts.failures = [Failure(phase="loss", exception="RuntimeError", message="m")]
    nothing = {"loss-error": ("not-applicable", "no failures")}
    assert only(compare(old, report(outcomes=nothing))).state == "fixed"
    untrained = report(outcomes=nothing)
    untrained.facts.probe = None
    assert only(compare(old, untrained)).state == "unchecked"
    assert only(compare(report(outcomes=nothing), old)).state == "new"


def test_sample_reports_against_themselves_and_each_other():
    assert {each.state for each in compare(small(), small()).findings} == {"still"}
    assert not compare(small(), small()).changed
    comparison = compare(small(), no_probe())
    assert not comparison.of("fixed")
    assert not [each for each in compare(small(), forward_failed()).of("fixed") if each.finding.check != "deprecated-variable"]


def test_a_comparison_survives_its_json():
    comparison = compare(small(), no_probe())
    assert msgspec.json.decode(msgspec.json.encode(comparison), type=Comparison) == comparison
