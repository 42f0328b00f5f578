"""SARIF as code scanning takes it."""

import json
from importlib.metadata import version

import jsonschema
import pytest
from sample_reports import every, hostile, small

from nnreport.facts import Location, SourceFile
from nnreport.finding import Finding
from nnreport.render.sarif import notes, render
from nnreport.report import Report

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
POSITIVE = {"type": "integer", "minimum": 1}
# What SARIF 2.1.0 and GitHub's documentation of its support ask for, of the parts that are written.
SCHEMA = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "semanticVersion", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": [
                                                "id",
                                                "shortDescription",
                                                "fullDescription",
                                                "help",
                                                "defaultConfiguration",
                                                "properties",
                                            ],
                                            "properties": {
                                                "id": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                                                "name": {"type": "string", "maxLength": 255, "minLength": 1},
                                                "shortDescription": {"$ref": "#/$defs/short"},
                                                "fullDescription": {"$ref": "#/$defs/short"},
                                                "help": {
                                                    "type": "object",
                                                    "required": ["text", "markdown"],
                                                    "additionalProperties": {"type": "string", "minLength": 1},
                                                },
                                                "defaultConfiguration": {
                                                    "properties": {"level": {"enum": ["note", "warning", "error"]}}
                                                },
                                                "properties": {
                                                    "required": ["precision", "problem.severity", "tags"],
                                                    "properties": {
                                                        "precision": {"enum": ["very-high", "high", "medium", "low"]},
                                                        "problem.severity": {"enum": ["error", "warning", "recommendation"]},
                                                    },
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "automationDetails": {"type": "object", "required": ["id"]},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {"type": "array", "items": {"type": "object", "required": ["executionSuccessful"]}},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {
                                    "required": ["primaryLocationLineHash"],
                                    "additionalProperties": {"type": "string", "minLength": 1},
                                },
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 1,
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "required": ["uri"],
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": "^[^/:\\\\ ][^:\\\\ ]*$"}
                                                        },
                                                    },
                                                    "region": {
                                                        "required": ["startLine", "startColumn", "endLine", "endColumn"],
                                                        "properties": {
                                                            "startLine": POSITIVE,
                                                            "startColumn": POSITIVE,
                                                            "endLine": POSITIVE,
                                                            "endColumn": {"type": "integer", "minimum": 2},
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
    "$defs": {
        "relative": {"type": "string", "pattern": "^[^/:\\\\ ][^:\\\\ ]*$"},
        "short": {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1, "maxLength": 1024}}},
    },
}


def log(report: Report) -> dict:
    data = json.loads(render(report))
    jsonschema.validate(data, SCHEMA)
    return data["runs"][0]


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_it_is_valid(make):
    run = log(make())
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["semanticVersion"] == version("nnreport")
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_findings_without_a_file_stay_out_and_are_counted():
    report = small()
    placed = [finding.check for finding in report.findings if finding.location]
    assert [result["ruleId"] for result in log(report)["results"]] == placed
    assert notes(report) == ["1 finding belongs to no line of your files and cannot stand in SARIF: exploding-gradient"]
    assert notes(Report()) == []


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
def test_places_outside_the_repository_stay_out(location):
    report = Report(findings=[Finding(check="c", severity="note", message="m", location=location)])
    assert log(report)["results"] == []
    assert len(notes(report)) == 1


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


def test_fingerprints_are_those_of_the_runner():
    for result, finding in zip(log(small())["results"], [f for f in small().findings if f.location], strict=True):
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{finding.fingerprint}:1"


def test_failed_stages_are_told_and_hostile_names_are_data():
    report = hostile()
    report.stages[0].state = "killed"
    report.stages[0].error = "out of memory"
    invocation = log(report)["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "out of memory" in invocation["toolExecutionNotifications"][0]["message"]["text"]
