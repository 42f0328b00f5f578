"""A report goes to JSON and comes back the same; foreign and future files get one clear line."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from sample_reports import every, small

from nnreport import store
from nnreport.errors import UsageError
from nnreport.finding import Finding
from nnreport.render.json import render
from nnreport.report import SCHEMA, Report

OLD = sorted((Path(__file__).parent.parent / "fixtures").glob("report-schema-*.json"))


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_round_trip(make):
    report = make()
    back = store.parse(render(report))
    for file in report.facts.source:
        file.text = ""
    assert back == report


def test_the_top_is_as_documented_and_ordered():
    data = json.loads(render(small()))
    assert list(data)[:6] == ["schema", "model", "findings", "stages", "outcomes", "facts"]
    assert data["schema"] == SCHEMA == 1
    for finding in data["findings"]:
        assert list(finding)[:3] == ["check", "severity", "message"]
        assert {"check", "severity", "module", "message", "location", "evidence", "fix"} <= set(finding)
    for stage in data["stages"]:
        assert stage["name"]


def test_a_finding_of_nothing_still_has_all_its_keys():
    report = Report(findings=[Finding(check="c", severity="note", message="m")])
    (finding,) = json.loads(render(report))["findings"]
    assert finding["module"] is None
    assert finding["location"] is None
    assert finding["evidence"] == {}
    assert finding["fix"] == ""


def test_the_source_stays_at_home():
    report = small()
    report.facts.source[0].text = "SECRET_TOKEN = 1\n"
    data = render(report)
    assert b"SECRET_TOKEN" not in data
    assert report.facts.source[0].text, "the report itself keeps it"


def test_same_report_same_bytes_and_utf8():
    report = small()
    report.model.name = "Сеть網🔥"
    assert render(report) == render(report)
    assert "Сеть網🔥".encode() in render(report)


def test_non_finite_floats_survive():
    report = small()
    assert report.facts.weights
    assert report.facts.probe
    report.facts.weights.stats[0].mean = math.nan
    report.facts.weights.stats[0].maximum = math.inf
    report.facts.weights.stats[0].minimum = -math.inf
    report.facts.probe.losses[0] = math.nan
    report.findings[0].evidence["x"] = math.inf
    text = render(report).decode()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(text, parse_constant=refuse)["findings"][0]["evidence"]["x"] == "inf"
    back = store.parse(text.encode())
    assert back.facts.weights
    assert back.facts.probe
    stats = back.facts.weights.stats[0]
    assert math.isnan(stats.mean)
    assert (stats.minimum, stats.maximum) == (-math.inf, math.inf)
    assert back.facts.probe.losses[0] == "nan"


def test_large_files_are_one_line(monkeypatch):
    assert render(small()).count(b"\n") > 100
    monkeypatch.setattr(store, "INDENT_BELOW", 1000)
    assert render(small()).count(b"\n") == 1


def test_unknown_keys_are_ignored():
    data = json.loads(render(small()))
    data["later"] = data["model"]["later"] = data["findings"][0]["later"] = {"a": 1}
    assert store.parse(json.dumps(data).encode()).model == small().model


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.name)
def test_old_files_stay_readable(path):
    report = store.load(path)
    assert report.model.name == "SimpleNet"
    assert report.findings
    assert report.facts.graph
    assert report.facts.weights


def test_every_schema_has_its_old_file():
    assert {path.name for path in OLD} >= {f"report-schema-{version}.json" for version in range(1, SCHEMA + 1)}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"<html>", "no JSON"),
        (b"[1, 2]", "no nnreport report"),
        (b'{"a": 1}', "no nnreport report"),
        (b'{"schema": "1", "model": {}}', "no nnreport report"),
        (b'{"schema": 99, "model": {}}', "pip install --upgrade"),
        (b'{"schema": 1, "model": {}, "findings": [{"check": "x", "severity": "loud", "message": ""}]}', "severity"),
        (b'{"schema": 1, "model": {}, "findings": 5}', "findings"),
    ],
)
def test_what_is_no_report_gets_one_line(data, words):
    with pytest.raises(UsageError) as caught:
        store.parse(data, "x.json")
    assert words in str(caught.value)
    assert str(caught.value).startswith("x.json ")
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(UsageError, match=r"there is no file .*gone\.json"):
        store.load(tmp_path / "gone.json")
    with pytest.raises(UsageError, match="cannot be read"):
        store.load(tmp_path)


def test_a_report_with_nothing_but_its_version():
    assert store.parse(b'{"schema": 1, "model": {}}') == Report()
    assert msgspec.json.decode(render(Report()))["findings"] == []
