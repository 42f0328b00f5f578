"""The summary on the terminal."""

import io
import re
import sys

import pytest
from rich.cells import cell_len
from sample_reports import every, hostile, small

from nnreport.facts import Location, Stage
from nnreport.finding import Finding, Outcome
from nnreport.render import terminal
from nnreport.render.plain import sparkline, underline, visible
from nnreport.render.terminal import render, show
from nnreport.report import Report

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Stream(io.TextIOWrapper):
    """A stream of some encoding that may say it is a terminal."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_a_finding_is_told_as_a_compiler_does():
    text = render(small(), 100, written=["nnreport-SimpleNet.html"])
    assert "error[softmax-with-cross-entropy]: The output is already a distribution" in text
    assert "--> model.py:14 in forward" in text
    quoted = "14 │ return F.softmax(self.fc2(x), dim=1)"
    assert f"{quoted}\n   │        {'^' * len('F.softmax(self.fc2(x), dim=1)')}\n" in text
    assert "= fix: Return the logits" in text
    assert "+        return self.fc2(x)" in text
    assert "101,770" in text
    assert text.rstrip().endswith("report: nnreport-SimpleNet.html")


def test_wide_characters_are_underlined_where_they_stand():
    line = "出力 = self.출력(x); y = F.softmax(出力, dim=-1)"
    finding = Finding(check="c", severity="error", message="m", module="출력", location=Location(path="网.py", line=7, text=line))
    rows = render(Report(findings=[finding]), 100).splitlines()
    at = next(i for i, row in enumerate(rows) if line in row)
    before, marked = "出力 = ", "self.출력(x)"
    start = cell_len(rows[at][: rows[at].index(line)])
    assert rows[at + 1].index("^") == start + cell_len(before)
    assert rows[at + 1].count("^") == cell_len(marked)


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
@pytest.mark.parametrize("width", [30, 60, 100])
def test_no_line_is_wider_than_asked(make, width):
    for line in render(make(), width, colour=True, written=["a.html"]).splitlines():
        assert cell_len(ESCAPE.sub("", line)) <= width


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_plain_text_is_plain_and_the_same_words(make):
    plain, coloured = render(make(), 80), render(make(), 80, colour=True)
    assert "\x1b" not in plain
    stripped = "\n".join(line.rstrip() for line in ESCAPE.sub("", coloured).split("\n"))
    assert stripped == plain
    assert "\x1b[" in coloured


def test_names_cannot_act_on_the_terminal():
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp\r\b\x9b31m"
    location = Location(path=evil, line=1, text=evil, function=evil)
    finding = Finding(check="c", severity="error", message=evil, module=evil, location=location, fix=evil, code=evil, why=evil)
    report = hostile()
    report.findings = [finding]
    report.model.name = report.model.target = evil
    report.stages[0].state, report.stages[0].error = "failed", evil
    text = ESCAPE.sub("", render(report, 100, colour=True, written=[evil]))
    assert not [character for character in text if not character.isprintable() and character != "\n"]
    assert "\\x1b" in text


def test_many_findings_the_first_in_full_the_others_in_a_line():
    findings = [Finding(check=f"c{i}", severity="warning", message="m", fix="mend it") for i in range(40)]
    text = render(Report(findings=findings), 80)
    assert text.count("= fix") == terminal.FULL
    assert text.count("warning[c") == 40


def test_markup_in_names_is_text():
    report = Report(findings=[Finding(check="c", severity="note", message="[bold]x[/bold] :smile: {y}", module="[red]m")])
    assert "note[c] [red]m: [bold]x[/bold] :smile: {y}" in render(report, 80)


def test_failed_stages_are_told():
    assert "probe killed: the process was killed for memory" in render(every()["no_probe"](), 120)


def test_colour_follows_the_terminal_and_the_reader(monkeypatch):
    def coloured(terminal: bool) -> bool:
        stream = Stream(terminal=terminal)
        show(small(), ["x.html"], stream)
        return "\x1b[" in stream.text()

    assert coloured(True)
    assert not coloured(False)
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(True)
    monkeypatch.delenv("TERM")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(True)
    monkeypatch.setenv("NO_COLOR", "")
    assert coloured(True)


def test_the_width_is_that_of_the_reader(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    stream = Stream()
    show(small(), ["x.html"], stream)
    assert max(map(len, stream.text().splitlines())) <= 50
    monkeypatch.setenv("COLUMNS", "nonsense")
    show(small(), ["x.html"], Stream())


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_any_encoding_can_be_written(encoding):
    stream = Stream(encoding)
    show(every()["hostile"](), ["Ünï.html"], stream)
    show(small(), ["x.html"], stream)
    assert "softmax-with-cross-entropy" in stream.text()
    if encoding == "utf-8":
        assert "שכבה" in stream.text()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_who_leaves_early_is_no_error():
    import os

    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        show(small(), [], stream)


@pytest.mark.parametrize(
    ("line", "module", "operation", "marked"),
    [
        ("x = self.fc1(x)", "net.fc1", "", "self.fc1(x)"),
        ("x = F.relu(self.fc1(x))", "fc1", "relu", "F.relu(self.fc1(x))"),
        ("x = F.relu(self.fc1(x))", "fc1", "", "self.fc1(x)"),
        ("x = self.fc10(x) + self.fc1(x[0])", "fc1", "", "self.fc1(x[0])"),
        ("y = torch.softmax(", "", "softmax", "torch.softmax("),
        ("import x", "fc1", "relu", "import x"),
        ("self.fc1 = nn.Linear(3, 4)", "fc1", "", "self.fc1"),
    ],
)
def test_what_is_underlined(line, module, operation, marked):
    start, length = underline(line, module, operation)
    assert line[start : start + length] == marked


def test_sparklines():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 1, 1]) == "▁▁▁"
    assert sparkline([1.0, "nan", 2.0, "inf"]) == "▁×█×"
    assert sparkline(["nan"]) == "×"
    assert sparkline([]) == ""
    assert sparkline([2.302, 2.301, 2.3]) == "▁▁▁", "what hardly moves is drawn flat"
    assert len(sparkline(list(range(1000)), 40)) == 40
    assert sparkline([1, 10, 100, 1000])[1] == "▃", "logarithmic over more than two decades"


def test_visible():
    assert visible("層 é 🔥\t|\n") == "層 é 🔥 | "
    assert visible("a\nb", keep_lines=True) == "a\nb"
    assert visible("\ud800") == "\\ud800"


def test_a_broken_check_and_a_probe_left_out_are_told():
    report = small()
    report.outcomes = [Outcome(check="house", state="failed", reason="ImportError: gone")]
    report.stages = [Stage(name="probe", state="skipped", error="it has no trainable parameter")]
    text = render(report, colour=False, width=100)
    assert "check house failed: ImportError: gone" in text
    assert "not trained: it has no trainable parameter" in text
    report.stages[0].error = "--no-probe"
    assert "not trained" not in render(report, colour=False, width=100)
