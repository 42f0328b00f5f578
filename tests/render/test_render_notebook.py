"""What a notebook shows of a report."""

import html
from html.parser import HTMLParser

import pytest
from sample_reports import HOSTILE, every, healthy, hostile, large, small

from nnreport.render import notebook
from nnreport.render.notebook import fragment
from nnreport.report import Report
from nnreport.store import dump, parse

VOID = {"img", "br", "rect", "path", "circle", "line", "meta"}


class Balance(HTMLParser):
    """Checks that every element is closed where it should be, and collects names and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.seen.append((name, dict(attributes)))

    def handle_endtag(self, name):
        if name not in VOID:
            assert self.open.pop() == name


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_it_is_a_whole_fragment_without_script_or_style_sheet(make):
    names = [name for name, _ in Balance(fragment(make())).seen]
    assert names[0] == "section"
    assert not {"script", "style", "link", "html", "body"} & set(names)


def test_the_ten_second_view():
    text = html.unescape(fragment(small()).partition("<iframe")[0])
    for words in (
        "SimpleNet",
        "1\xa0error, 2\xa0warnings",
        "101,770",
        "softmax-with-cross-entropy",
        "model.py:14",
        "Return the logits",
    ):
        assert words in text
    assert "<svg" in text
    assert "No problem found" in html.unescape(fragment(healthy()))


def test_the_page_is_in_a_frame_of_its_own():
    (frame,) = [attributes for name, attributes in Balance(fragment(small())).seen if name == "iframe"]
    assert frame["srcdoc"].lstrip().lower().startswith("<!doctype html>")
    assert "allow-same-origin" not in frame["sandbox"]


def test_a_page_too_large_stays_out(monkeypatch):
    monkeypatch.setattr(notebook, "PAGE_LIMIT", 1000)
    text = fragment(large(20))
    assert "iframe" not in text
    assert "report.save" in text


def test_hostile_names_are_text():
    text = fragment(hostile())
    assert HOSTILE not in text
    assert not [name for name, _ in Balance(text).seen if name in ("img", "script")]


def test_the_report_shows_itself():
    assert small()._repr_html_() == fragment(small())


def test_findings_print_as_a_reader_wants_them():
    report = small()
    printed = repr(report.findings)
    first = report.findings[0]
    assert f"{first.severity}[{first.check}]" in printed
    assert "= fix: " in printed
    assert "Finding(" not in printed
    assert repr(report.findings[:1]).count("= fix: ") == 1
    shown = report.findings._repr_html_()
    assert shown.count("<details") == len(report.findings)
    assert not [name for name, _ in Balance(hostile().findings._repr_html_()).seen if name in ("img", "script")]


def test_no_findings_print_too():
    report = Report()
    assert repr(report.findings) == "nothing was found"
    assert "nothing was found" in report.findings._repr_html_()


def test_findings_are_a_list_all_the_same():
    report = small()
    back = parse(dump(report))
    assert type(back.findings) is type(report.findings)
    assert back.findings == list(report.findings)
    assert [finding.check for finding in report.findings] == [finding.check for finding in back.findings]
