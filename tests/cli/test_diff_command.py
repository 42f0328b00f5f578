"""``nnreport diff`` and ``--baseline`` as a user calls them, on real runs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, hidden=8, act="relu"):
        super().__init__()
        self.fc1 = nn.Linear(4, hidden)
        self.act = nn.ReLU() if act == "relu" else nn.GELU()
        self.fc2 = nn.Linear(hidden, 3)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Twice(Net):
    def forward(self, x):
        return super().forward(x).softmax(-1)
"""
RUN = ("--input", "8,4", "--loss", "cross_entropy", "--budget", "0", "--steps", "12", "--no-pictures", "-q")


def nnreport_in(folder: Path, *arguments: str) -> SimpleNamespace:
    done = subprocess.run(
        [sys.executable, "-m", "nnreport", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return SimpleNamespace(status=done.returncode, out=done.stdout.replace("\xa0", " "), err=done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of real runs: the same one twice, under another seed, and of a sick model."""
    made = tmp_path_factory.mktemp("reports")
    (made / "m.py").write_text(NET)
    for name, target, *more in (
        ("a", "m.py:Net"),
        ("again", "m.py:Net"),
        ("seed", "m.py:Net", "--seed", "3"),
        ("sick", "m.py:Twice(hidden=16)"),
    ):
        done = nnreport_in(made, target, *RUN, "-o", f"{name}.json", *more)
        assert done.status == 0, done.err
    return made


@pytest.mark.parametrize(("other", "line"), [("again.json", ""), ("seed.json", "Compared although the seed (0 → 3) differs.")])
def test_the_same_command_twice_changes_nothing(folder: Path, other: str, line: str):
    done = nnreport_in(folder, "diff", "a.json", other, "--fail-on", "new-note")
    assert done.status == 0, done.out + done.err
    assert done.out.rstrip().endswith("\nNothing changed"), done.out
    assert line in done.out
    assert ("although" in done.out) is bool(line)


def test_what_changed_is_told_in_every_format_and_in_the_status(folder: Path):
    names = ("d.html", "d.pdf", "d.md", "d.json")
    done = nnreport_in(folder, "diff", "a.json", "sick.json", *(part for name in names for part in ("-o", name)))
    assert done.status == 0, done.err
    assert all((folder / name).stat().st_size for name in names)
    assert "+1 error" in done.out
    assert "% parameters" in done.out
    comparison = json.loads((folder / "d.json").read_text())
    assert [each["state"] for each in comparison["findings"] if each["new"]["check"] == "softmax-with-cross-entropy"] == ["new"]
    assert [(each["kind"], each["new"]) for each in comparison["layers"]] == [("reshaped", "fc1"), ("reshaped", "fc2")]
    for fail_on, status in (("new-error", 1), ("new-note", 1), ("never", 0)):
        assert nnreport_in(folder, "diff", "a.json", "sick.json", "-q", "--fail-on", fail_on).status == status
        back = nnreport_in(folder, "diff", "sick.json", "a.json", "-q", "--fail-on", fail_on)
        assert (back.status, back.out) == (0, "")
    piped = nnreport_in(folder, "diff", "a.json", "sick.json", "-o", "-")
    assert piped.out.startswith("<!-- nnreport diff")
    assert piped.out == (folder / "d.md").read_text().replace("\xa0", " ")


def test_a_baseline_marks_what_is_new(folder: Path):
    told = ("--baseline", "a.json", "--fail-on", "new-error", "-o", "b.md", "-o", "b.json")
    done = nnreport_in(folder, "m.py:Twice(hidden=16)", *RUN[:-1], *told)
    assert done.status == 1, done.err
    assert "since a.json: +1 error" in done.out
    assert "new error[softmax-with-cross-entropy]" in done.out
    assert "### Since `a.json`: +1 error" in (folder / "b.md").read_text().replace("\xa0", " ")
    report = json.loads((folder / "b.json").read_text())
    (change,) = [each for each in report["comparison"]["findings"] if each["state"] == "new"]
    assert report["findings"][change["index"]]["check"] == change["new"]["check"]


def test_what_the_baseline_has_too_is_not_new(folder: Path):
    """And a baseline may carry a comparison of its own."""
    done = nnreport_in(folder, "diff", "a.json", "sick.json", "-q")
    assert done.status == 0
    same = ("m.py:Twice(hidden=16)", *RUN, "--baseline", "sick.json", "-o", "c.json")
    assert nnreport_in(folder, *same, "--fail-on", "new-note").status == 0
    comparison = json.loads((folder / "c.json").read_text())["comparison"]
    assert comparison["old"]["file"] == "sick.json"
    assert "still" in {each["state"] for each in comparison["findings"]}
    assert nnreport_in(folder, "diff", "c.json", "c.json", "-q", "--fail-on", "new-note").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "a.json", "none.json"], ["none.json"]),
        (["diff", "none.json", "a.json"], ["none.json"]),
        (["diff", "text.json", "a.json"], ["text.json", "no JSON"]),
        (["diff", "other.json", "a.json"], ["other.json", "no nnreport report"]),
        (["diff", "a.json", "newer.json"], ["newer.json", "schema 99"]),
        (["diff", "a.json", "comparison.json"], ["comparison.json", "no report"]),
        (["diff", "a.json", "."], ["."]),
        (["diff", "a.json"], ["NEW.json"]),
        (["diff", "a.json", "a.json", "-o", "x.sarif"], [".sarif", ".html .pdf .json .md"]),
        (["diff", "a.json", "a.json", "-o", "no/where/x.html"], ["no/where"]),
        (["diff", "a.json", "a.json", "--fail-on", "error"], ["new-error"]),
        (["m.py:Net", "--input", "1,4", "--fail-on", "new-error"], ["new-error", "--baseline"]),
        (["m.py:Net", "--input", "1,4", "--baseline", "none.json"], ["none.json"]),
        (["m.py:Net", "--input", "1,4", "--baseline", "text.json"], ["text.json", "no JSON"]),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(nnreport, arguments, words):
    report = {"schema": 1, "model": {"name": "Net"}}
    files = {
        "m.py": NET,
        "a.json": json.dumps(report),
        "text.json": "not json",
        "other.json": "[1, 2]",
        "newer.json": json.dumps(report | {"schema": 99}),
        "comparison.json": json.dumps({"schema": 1, "kind": "comparison"}),
    }
    done = nnreport(*arguments, files=files, json_report=False)
    assert done.status == 2, done.out + done.err
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("nnreport")]
    assert len(lines) == 1, done.err
    for word in words:
        assert word in lines[0]
    assert not list(done.folder.glob("nnreport-*"))


def test_reports_that_hold_nothing(nnreport):
    files = {"a.json": json.dumps({"schema": 1, "model": {}})}
    done = nnreport("diff", "a.json", "a.json", "-o", "x.html", "-o", "x.md", files=files, json_report=False)
    assert done.status == 0, done.err
    assert "Nothing could be compared" in done.out


def test_the_help_names_it(nnreport):
    done = nnreport("--help", json_report=False)
    assert re.search(r"nnreport\s+diff", done.out)
    assert "--baseline" in done.out
