"""Annotations: one line each, escaped, no more than GitHub keeps."""

from sample_reports import every, hostile, small

from nnreport.facts import Location
from nnreport.finding import Finding
from nnreport.render.github import render
from nnreport.report import Report


def test_a_finding_becomes_an_annotation_on_its_line():
    first = render(small()).splitlines()[0]
    assert first.startswith("::error file=model.py,line=14,title=nnreport softmax-with-cross-entropy::The output is already")
    assert "%0A" in first


def test_every_line_is_a_command():
    for make in every().values():
        for line in render(make()).splitlines():
            assert line.startswith(("::error ", "::warning ", "::notice "))


def test_nothing_found_nothing_said():
    assert render(Report()) == ""


def test_at_most_ten_of_a_kind_and_the_last_counts_the_rest():
    findings = [Finding(check="c", severity=severity, message=f"{i}") for severity in ("error", "warning") for i in range(25)]
    lines = render(Report(findings=findings)).splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert sum(line.startswith("::warning ") for line in lines) == 10
    assert "and 16 more" in lines[9]
    exactly = render(Report(findings=findings[:10]))
    assert len(exactly.splitlines()) == 10
    assert "more" not in exactly


def test_no_message_can_start_a_command():
    evil = "x\n::set-output name=a::b\r\n::error::c%0A,:"
    finding = Finding(
        check="c", severity="error", message=evil, module=evil, location=Location(path=evil, line=1), fix=evil, code=evil
    )
    (line,) = render(Report(findings=[finding])).splitlines()
    head, _, _ = line.removeprefix("::error ").partition("::")
    assert head.count(",") == 0, "a path of several lines is no file; commas in values are escaped"
    assert "%3A" in head
    assert len(render(hostile()).splitlines()) == 1


def test_a_line_in_an_installed_package_is_no_file_of_the_repository():
    finding = Finding(
        check="c", severity="note", message="m", location=Location(path="torch/nn/modules/linear.py", line=7, user=False)
    )
    assert render(Report(findings=[finding])) == "::notice title=nnreport c::m\n"
