"""A comparison in every format: what stands in it, that nothing of a model's becomes markup, limits, and the same bytes again."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sample_reports
from test_render_html import Page

from nnreport.compare.compare import compare
from nnreport.compare.records import Comparison
from nnreport.errors import UsageError
from nnreport.finding import Finding, Outcome
from nnreport.render import diff_html, diff_json, diff_markdown, diff_save, diff_terminal, diff_view, github, sarif
from nnreport.render import html as report_html
from nnreport.render import markdown as report_markdown
from nnreport.render import terminal as report_terminal
from nnreport.report import Report
from nnreport.store import dump, parse


def all_passed(report: Report) -> list[Outcome]:
    """Every check gave an answer."""
    return [msgspec.structs.replace(outcome, state="passed") for outcome in report.outcomes]


def made_worse() -> tuple[Report, Report]:
    """One finding is fixed, one is new; more parameters; the loss is the same."""
    old, new = sample_reports.small(), sample_reports.small()
    old.findings = old.findings[1:]
    new.findings = new.findings[:1] + new.findings[2:]
    for report in (old, new):
        report.outcomes = all_passed(report)
    new.model.parameters = int(new.model.parameters * 1.123)
    return old, new


def hostile() -> Comparison:
    """A model of hostile names that lost its layers, in front of one that got them."""
    old, new = sample_reports.small(), sample_reports.hostile()
    for report in (old, new):
        report.outcomes = all_passed(report)
    return compare(old, new, f"{sample_reports.HOSTILE}.json", "new.json")


PAIRS: dict[str, Callable[[], Comparison]] = {
    "same": lambda: compare(sample_reports.small(), sample_reports.small(), "old.json", "new.json"),
    "worse": lambda: compare(*made_worse(), "old.json", "new.json"),
    "other model": lambda: compare(sample_reports.small(), sample_reports.medium()),
    "hostile": hostile,
    "hostile before": lambda: compare(sample_reports.hostile(), sample_reports.small()),
    "weights": lambda: compare(sample_reports.weights_only(), sample_reports.small()),
    "not trained": lambda: compare(sample_reports.small(), sample_reports.no_probe()),
    "failed": lambda: compare(sample_reports.small(), sample_reports.forward_failed()),
    "not finite": lambda: compare(sample_reports.small(), sample_reports.not_finite()),
    "nothing": lambda: compare(sample_reports.nothing(), sample_reports.nothing()),
}
names = pytest.mark.parametrize("name", PAIRS)


# --------------------------------------------------------------------------------------------------------------- words


def test_the_verdict_names_what_counts_in_order():
    assert diff_view.verdict(PAIRS["worse"]()).replace("\xa0", " ") == "+1 error, 1 fixed, +12.3 % parameters"
    assert diff_view.verdict(PAIRS["same"]()) == "Nothing changed"
    assert diff_view.verdict(PAIRS["nothing"]()) == "Nothing could be compared"
    assert diff_view.verdict(PAIRS["not trained"]()) == "the stage probe was killed"
    untrained = sample_reports.no_probe()
    untrained.stages, untrained.findings = [], sample_reports.small().findings
    untrained.outcomes = untrained.outcomes[1:]
    assert diff_view.verdict(compare(sample_reports.small(), untrained)) == "Nothing changed, as far as both were checked"


def test_a_change_too_small_for_a_percentage_is_told_as_it_is():
    old, new = sample_reports.small(), sample_reports.small()
    new.model.parameters += 2
    quantity = compare(old, new).quantity("parameters")
    assert diff_view.delta(quantity) == "+2"
    new.model.parameters *= 100
    assert diff_view.delta(compare(old, new).quantity("parameters")).startswith("×100")


def test_equal_changes_of_many_layers_are_one_row():
    old, new = sample_reports.large(), sample_reports.large()
    for module in new.facts.tree.modules:
        if module.name == "Conv2d":
            module.settings = module.settings | {"groups": 2}
    comparison = compare(old, new)
    assert len(comparison.layers) > 100
    rows = diff_view.layer_rows(comparison)
    assert len(rows) < 5
    assert sum(row.more + len(row.names) for row in rows) == len(comparison.layers)


# ------------------------------------------------------------------------------------------------------------ terminal


def test_the_terminal_alone_tells_the_whole_story():
    text = diff_terminal.render(PAIRS["worse"](), 100)
    for words in ("new error[softmax-with-cross-entropy]", "= fix:", "fixed", "dead-relu", "+12.3 %"):
        assert words in text
    assert text.rstrip().endswith("+1 error, 1 fixed, +12.3 % parameters")
    assert "\x1b" not in text


@names
@pytest.mark.parametrize("width", [40, 100])
def test_the_terminal_keeps_to_its_width(name: str, width: int):
    text = diff_terminal.render(PAIRS[name](), width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width + 24  # wide characters and unbreakable names


# ------------------------------------------------------------------------------------------------------------ Markdown


@names
def test_markdown_opens_with_the_verdict(name: str):
    text = diff_markdown.render(PAIRS[name]())
    lines = text.splitlines()
    assert lines[0].startswith("<!-- nnreport diff")
    assert lines[2].startswith("## ")
    assert len(text) < 60_000
    assert text.count("<details>") == text.count("</details>")


def test_markdown_makes_no_markup_of_others():
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", diff_markdown.render(hostile()), flags=re.S)  # code is shown as it is
    assert "<img" not in text
    assert "<script" not in text.lower()
    assert "@everyone" not in text


def test_markdown_stays_under_the_limit_of_a_comment():
    old, new = sample_reports.small(), sample_reports.large()
    long = "x" * 1200
    new.findings = [
        Finding(check=f"check-{i}", severity="error", message=long, module=f"m{i}", fix=long, why=long, code=long)
        for i in range(300)
    ]
    text = diff_markdown.render(compare(old, new))
    assert len(text) < 65_536
    new.comparison = compare(old, new)
    assert len(report_markdown.render(new)) < 65_536


# ---------------------------------------------------------------------------------------------------------------- HTML


@names
def test_the_page_is_well_formed_and_its_policy_fits(name: str):
    text = diff_html.render(PAIRS[name]())
    page = Page(text)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        if tag == "a" and (attrs.get("href") or "").startswith("#"):
            assert attrs["href"][1:] in ids
        assert "style" not in attrs
        assert "src" not in attrs
        assert not [key for key in attrs if key.startswith("on")], tag
    policy = next(attrs["content"] or "" for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    for part in [*(s for s in page.raw["script"] if not s.startswith("{")), *page.raw["style"]]:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" in policy
    assert len(text) < 200_000
    assert text == diff_html.render(PAIRS[name]())


def test_no_name_becomes_markup_in_the_page():
    page = Page(diff_html.render(hostile()))
    assert "img" not in {tag for tag, _ in page.tags}
    assert sample_reports.HOSTILE in page.words


def test_the_page_says_what_counts():
    page = Page(diff_html.render(PAIRS["worse"]()))
    for words in ("New", "Fixed", "Still there", "softmax-with-cross-entropy", "How it was compared", "Loss over the steps"):
        assert words in page.words


@pytest.mark.parametrize("name", ["worse", "hostile"])
def test_the_page_in_a_browser(name: str, tmp_path, browser: Any):
    path = tmp_path / "diff.html"
    path.write_text(diff_html.render(PAIRS[name]()), "utf-8")
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.click("label[for=loss-log]")
    picture = page.locator("#training .pic:visible")
    picture.hover()
    assert "before" in page.locator("output.ro").inner_text()
    assert complaints == []


# ---------------------------------------------------------------------------------------------------------- JSON, PDF


@names
def test_json_has_a_schema_and_comes_back_the_same(name: str):
    comparison = PAIRS[name]()
    data = diff_json.render(comparison)
    raw = json.loads(data, parse_constant=lambda constant: pytest.fail(constant))
    assert (raw["schema"], raw["kind"]) == (1, "comparison")
    assert msgspec.json.decode(data, type=Comparison) == comparison


def test_a_comparison_is_no_report():
    with pytest.raises(UsageError, match="comparison"):
        parse(diff_json.render(PAIRS["same"]()), "diff.json")


@pytest.mark.parametrize("name", ["worse", "hostile"])
def test_the_pdf(name: str, tmp_path):
    pytest.importorskip("weasyprint")
    pypdf = pytest.importorskip("pypdf")
    path = tmp_path / "diff.pdf"
    diff_save.save(PAIRS[name](), path)
    reader = pypdf.PdfReader(io.BytesIO(path.read_bytes()))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "How it was compared" in text
    assert [each.title for each in reader.outline if not isinstance(each, list)][:1] == ["Findings"]
    attached = json.loads(reader.attachments["comparison.json"][0])
    assert attached["kind"] == "comparison"
    before = path.read_bytes()
    diff_save.save(PAIRS[name](), path)
    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------------------- a report's baseline


def with_baseline() -> Report:
    old, new = made_worse()
    new.comparison = compare(old, new, "main.json")
    return new


def test_a_report_carries_what_changed():
    report = with_baseline()
    back = parse(dump(report))
    for file in report.facts.source:
        file.text = ""
    assert back == report
    assert json.loads(dump(report))["comparison"]["kind"] == "comparison"


def test_a_report_says_what_changed_before_its_findings():
    report = with_baseline()
    text = report_markdown.render(report)
    since, first = text.index("Since `main.json`"), text.index("### 🛑 new error: softmax")
    assert since < first
    assert "+1 error, 1 fixed" in text
    told = report_terminal.render(report, 100)
    assert told.index("since main.json: +1 error") < told.index("new error[softmax")
    assert "new note" not in told
    page = Page(report_html.render(report))
    assert "Since main.json" in page.words
    ids = page.ids()
    assert all(attrs["href"][1:] in ids for tag, attrs in page.tags if tag == "a" and (attrs.get("href") or "").startswith("#"))
    chips = [attrs for tag, attrs in page.tags if attrs.get("class") == "chip"]
    assert len(chips) == 1


def test_a_report_without_a_baseline_says_nothing_of_it():
    report = sample_reports.small()
    assert "Since" not in Page(report_html.render(report)).words
    assert "Since" not in report_markdown.render(report)


def test_the_pdf_of_a_report_with_a_baseline():
    pypdf = pytest.importorskip("pypdf")
    pytest.importorskip("weasyprint")
    from nnreport.render.pdf import render

    reader = pypdf.PdfReader(io.BytesIO(render(with_baseline())))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "Since main.json: +1 error, 1 fixed" in " ".join(text.split())


def test_sarif_says_what_is_new():
    report = with_baseline()
    results = json.loads(sarif.render(report))["runs"][0]["results"]
    told = {each["ruleId"]: each.get("baselineState") for each in results}
    for i, finding in enumerate(report.findings):
        assert (
            told[finding.check]
            == {"new": "new", "worse": "updated", "still": "unchanged", "unchecked": None}[report.comparison.state_of(i)]
        )
    assert set(told.values()) >= {"new", "unchanged"}
    report.comparison = None
    assert "baselineState" not in sarif.render(report)


def test_annotations_say_what_is_new_and_show_it_first():
    report = with_baseline()
    new = {finding.check for i, finding in enumerate(report.findings) if report.comparison.state_of(i) in ("new", "worse")}
    told = re.findall(r"title=(?:new|worse)%3A nnreport ([\w-]+)", github.render(report))
    assert set(told) == new
    assert len(told) < len(report.findings)
    old = [Finding(check="c", severity="error", message=f"{i}") for i in range(30)]
    lines = github.commands(old, report.facts, states=["still"] * 29 + ["new"]).splitlines()
    assert lines[0].endswith("title=new%3A nnreport c::29")
