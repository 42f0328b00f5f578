"""SARIF as code scanning takes it."""

import json
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
from sample_reports import every, hostile, small

from nnreport.checks.registry import Check
from nnreport.checks.runner import run_checks
from nnreport.facts import Facts, Location, SourceFile, Target
from nnreport.finding import Finding
from nnreport.render import sarif
from nnreport.render.repository import NOWHERE, Place
from nnreport.render.sarif import notes, render
from nnreport.report import Report

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "sarif-2.1.0.json").read_text("utf-8"))
"""The standard's own."""
RELATIVE = {"type": "string", "pattern": r"^[^/:\\\\ ][^:\\\\ ]*$"}
SENTENCE = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1, "maxLength": 1024}}}
# What GitHub's documentation of code scanning asks for beyond the standard.
# https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "name": {"type": "string", "maxLength": 255, "minLength": 1},
        "shortDescription": SENTENCE,
        "fullDescription": SENTENCE,
        "help": {"required": ["text", "markdown"], "additionalProperties": {"type": "string", "minLength": 1}},
        "properties": {
            "required": ["precision", "problem.severity", "tags"],
            "properties": {
                "precision": {"enum": ["very-high", "high", "medium", "low"]},
                "problem.severity": {"enum": ["error", "warning", "recommendation"]},
                "tags": {"type": "array", "maxItems": 20},
            },
        },
    },
}
PLACED = {
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {"required": ["uri", "uriBaseId"], "properties": {"uri": RELATIVE}},
                "region": {"required": ["startLine", "startColumn", "endLine", "endColumn"]},
            },
        }
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "properties": {
        "message": {"properties": {"text": {"type": "string", "minLength": 1}}},
        "partialFingerprints": {"required": ["primaryLocationLineHash"], "additionalProperties": {"minLength": 1}},
        "locations": {"type": "array", "minItems": 1, "maxItems": 1, "items": PLACED},
    },
}


def log(report: Report, place: Place = NOWHERE) -> dict:
    data = json.loads(render(report, place))
    jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER).validate(data)
    (run,) = data["runs"]
    for found in run["tool"]["driver"]["rules"]:
        jsonschema.validate(found, RULE)
    for found in run["results"]:
        jsonschema.validate(found, RESULT)
    marks = [found["partialFingerprints"]["primaryLocationLineHash"] for found in run["results"]]
    assert len(set(marks)) == len(marks), "two alerts are never taken for one"
    return run


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_it_is_valid(make):
    run = log(make())
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["semanticVersion"] == version("nnreport")
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_finding_without_a_line_stands_at_the_nearest_one():
    report = small()
    results = {result["ruleId"]: result for result in log(report)["results"]}
    assert list(results) == list(dict.fromkeys(finding.check for finding in report.findings))
    (lost,) = [finding for finding in report.findings if finding.location is None]
    place = results[lost.check]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "model.py"
    assert place["region"]["startLine"] > 1
    assert notes(report) == notes(Report()) == []


def test_where_the_target_is_a_file_its_first_line_takes_what_has_none():
    report = Report(findings=[Finding(check="dead-relu", severity="note", message="m")])
    assert log(report)["results"] == []
    report.facts.target = Target(spec="./nets/model.py:Net(hidden=3)")
    (place,) = log(report)["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "nets/model.py"
    assert place["physicalLocation"]["region"]["startLine"] == 1


@pytest.mark.parametrize(
    "location",
    [
        Location(path="torch/nn/modules/linear.py", line=3, user=False),
        Location(path="/home/me/model.py", line=3),
        Location(path="../model.py", line=3),
        Location(path="C:\\me\\model.py", line=3),
        Location(path="<stdin>", line=3),
        Location(path="model.py", line=0),
    ],
    ids=lambda location: location.path,
)
def test_what_belongs_to_no_file_is_told_as_a_notification(location):
    report = Report(findings=[Finding(check="c", severity="note", message="m", location=location)])
    run = log(report)
    assert run["results"] == []
    assert run["invocations"][0]["toolExecutionNotifications"] == [{"level": "note", "message": {"text": "c: m"}}]
    assert notes(report) == ["1 finding belongs to no file of yours and cannot stand in SARIF: c"]


def test_paths_are_relative_to_the_repository_and_the_json_stays(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "model.py").write_text("")
    report = small()
    run = log(report, Place(root=str(tmp_path), folder="nets"))
    places = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]}
    assert places == {"nets/model.py"}
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"description": {"text": "The root of the repository."}}}
    assert report.findings[0].location is not None
    assert report.findings[0].location.path == "model.py"


def test_the_region_is_the_whole_line():
    location = Location(path="a b/mödel.py", line=2, text="x = 1")
    report = Report(findings=[Finding(check="c", severity="error", message="m", location=location)])
    place = log(report)["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b/m%C3%B6del.py"
    assert place["region"]["endColumn"] == 6
    report.facts.source = [SourceFile(path="a b/mödel.py", text="def f():\n    x = 1\n")]
    region = log(report)["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startColumn"], region["endColumn"]) == (5, 10)


def test_the_rule_carries_the_page_of_its_check():
    from nnreport.checks.registry import all_checks

    for check in all_checks()[:3]:
        finding = Finding(
            check=check.slug, severity=check.severity, message="m", location=Location(path="m.py", line=1, text="x")
        )
        (rule,) = log(Report(findings=[finding]))["tool"]["driver"]["rules"]
        assert check.page in rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] == check.severity


def test_a_rule_tells_where_its_page_is_if_the_package_knows(monkeypatch):
    finding = Finding(check="dead-relu", severity="note", message="m", location=Location(path="m.py", line=1, text="x"))
    report = Report(findings=[finding])
    for home, wanted in {
        "https://example.org/docs": "https://example.org/docs#dead-relu",
        "https://github.com/me/nnreport": "https://github.com/me/nnreport/blob/HEAD/docs/checks.md#dead-relu",
    }.items():
        monkeypatch.setattr(sarif, "documentation", lambda home=home: home)
        assert log(report)["tool"]["driver"]["rules"][0]["helpUri"] == wanted
    monkeypatch.setattr(sarif, "documentation", lambda: "")
    assert "helpUri" not in log(report)["tool"]["driver"]["rules"][0]


def test_fingerprints_are_those_of_the_runner():
    for result, finding in zip(log(small())["results"], small().findings, strict=True):
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{finding.fingerprint}:1"


def test_fingerprints_stay_when_lines_move_and_tell_equal_lines_apart():
    def marks(shift: int) -> list[str]:
        text = "\n" * shift + "x = F.dropout(x)\nx = F.dropout(x)\n"
        at = [Location(path="m.py", line=shift + i, text="x = F.dropout(x)") for i in (1, 2)]
        check = Check(
            "some-check",
            "source",
            "t",
            "note",
            (),
            "",
            lambda facts: [Finding(check="some-check", severity="note", message=f"line {p.line}", location=p) for p in at],
        )
        findings, _ = run_checks(Facts(source=[SourceFile(path="m.py", text=text)]), checks=[check])
        return [r["partialFingerprints"]["primaryLocationLineHash"] for r in log(Report(findings=findings))["results"]]

    assert marks(0) == marks(40)
    assert len(set(marks(0))) == 2


def test_failed_stages_are_told_and_hostile_names_are_data():
    report = hostile()
    report.stages[0].state = "killed"
    report.stages[0].error = "out of memory"
    invocation = log(report)["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "out of memory" in invocation["toolExecutionNotifications"][0]["message"]["text"]
