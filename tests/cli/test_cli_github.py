"""``--format github`` as a workflow runs it: annotations on standard output, the report in the job's summary."""

from pathlib import Path

import pytest

from nnreport.cli import github
from nnreport.facts import Location
from nnreport.finding import Finding
from nnreport.report import Report

SICK = """\
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def forward(self, x):
        self.weight = self.weight * 0.9
        return F.dropout(x)
"""


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workflow's variables; gives the file of the summary."""
    (tmp_path / ".git").mkdir()
    summary = tmp_path / "summary.md"
    for name in ("GITHUB_EVENT_PATH", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.setenv("GITHUB_SHA", "abc")
    return summary


def test_annotations_are_all_that_is_printed(nnreport, workflow):
    workflow.write_text("before\n")
    done = nnreport("m.py:Net", "--no-exec", "--format", "github", files={"m.py": SICK})
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines
    assert all(
        line.startswith(("::error file=m.py,line=", "::warning file=m.py,line=", "::notice file=m.py,line=")) for line in lines
    )
    text = workflow.read_text()
    assert text.startswith("before\n\n<!-- nnreport m.py:Net -->"), "what another command wrote there stays"
    assert "https://github.com/o/r/blob/abc/m.py#L8" in text
    assert f"wrote {done.folder / 'out.json'}" in done.err


def test_without_a_summary_nothing_is_written(nnreport, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    done = nnreport("m.py:Net", "--no-exec", "--format", "github", "-q", files={"m.py": SICK})
    assert done.out.startswith("::")
    assert sorted(path.name for path in done.folder.iterdir()) == ["m.py", "out.json"]


def test_text_stays_text_in_a_workflow(nnreport, workflow):
    done = nnreport("m.py:Net", "--no-exec", files={"m.py": SICK})
    assert "::" not in done.out
    assert not workflow.exists()


def test_markdown_on_standard_output_stands_alone(nnreport):
    done = nnreport("m.py:Net", "--no-exec", "-o", "-", files={"m.py": SICK}, json_report=False)
    assert done.out.startswith("<!-- nnreport")
    assert done.out.rstrip().endswith("</sub>")


def test_a_full_summary_is_left_as_it_is(workflow):
    workflow.write_bytes(b"x" * (github.SUMMARY_LIMIT - 10))
    report = Report(findings=[Finding(check="c", severity="note", message="m", location=Location(path="m.py", line=1))])
    problem = github.append_summary(report, {"GITHUB_STEP_SUMMARY": str(workflow)})
    assert "1,048,576" in problem
    assert workflow.stat().st_size == github.SUMMARY_LIMIT - 10
    assert "could not be written" in github.append_summary(report, {"GITHUB_STEP_SUMMARY": str(workflow.parent)})
    assert github.append_summary(report, {}) == ""
