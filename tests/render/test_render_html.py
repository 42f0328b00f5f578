"""The page: whole, one file, strict policy, nothing of the model's becomes markup, the same bytes on a rerun."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
import sample_reports
from sample_net import Net

from nnreport.build import describe_output
from nnreport.checks.failures import sentence
from nnreport.facts import Location, LossInfo
from nnreport.finding import Finding, Outcome
from nnreport.render import html
from nnreport.render.page_findings import checks, located
from nnreport.render.prose import prose

VOID = {"meta", "link", "br", "input", "img", "hr"}
OPTIONAL = {"li", "dt", "dd", "p", "option", "thead", "tbody", "tr", "td", "th"}


class Page(HTMLParser):
    """What a page holds, as a browser's parser sees it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL:
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: html.render(maker()) for name, maker in sample_reports.every().items()}


NAMES = list(sample_reports.every())


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_well_formed_and_its_links_lead_somewhere(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        link = attrs.get("href") or ""
        if tag == "a" and link.startswith("#"):
            assert link[1:] in ids, link
        for name_ in ("aria-labelledby", "aria-controls", "for"):
            if attrs.get(name_):
                assert attrs[name_] in ids


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_allows_exactly_what_is_there(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    policy = next(attrs["content"] or "" for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    scripts = [s for s in page.raw["script"] if not s.startswith("{")]
    for text in [*scripts, *page.raw["style"]]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert len(scripts) == 2
    for tag, attrs in page.tags:
        assert "style" not in attrs
        assert not [key for key in attrs if key.startswith("on")], tag
        assert "src" not in attrs
        if tag == "image":
            assert (attrs.get("href") or "").startswith("data:image/png;base64,")
        if tag in ("a", "use"):
            assert not (attrs.get("href") or "#").startswith(("javascript:", "data:", "file:"))


def test_no_name_of_the_model_becomes_markup(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])
    tags = {tag for tag, _ in page.tags}
    assert "img" not in tags
    assert "b" not in {tag for tag, attrs in page.tags if "onload" in attrs}
    assert sample_reports.HOSTILE in page.words
    assert "{{7*7}}" in page.words
    assert "49" not in page.words.split("{{")[0][:200]
    data = json.loads(next(s for s in page.raw["script"] if s.startswith("{")))
    assert sample_reports.HOSTILE in data["path"]


def test_control_characters_and_lone_surrogates_do_no_harm() -> None:
    report = sample_reports.small()
    report.findings[0].message = "a\x00b\x1b[31mc\ud800d\u2028e"
    report.model.name = "\ud800"
    text = html.render(report)
    text.encode()
    assert "\x00" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["small", "medium", "hostile"])
def test_the_same_report_gives_the_same_bytes(pages: dict[str, str], name: str) -> None:
    assert html.render(sample_reports.every()[name]()) == pages[name]


def test_sizes(pages: dict[str, str]) -> None:
    assert len(pages["small"].encode()) < 140_000
    assert len(pages["large"].encode()) < 1_000_000


def test_a_thousand_modules_stay_under_two_megabytes() -> None:
    report = sample_reports.large(blocks=166)
    assert len(report.facts.tree.modules) >= 1000
    assert len(html.render(report).encode()) < 2_000_000


def test_a_thousand_layers_of_which_no_two_are_equal_stay_under_two_megabytes() -> None:
    net = Net()
    x = net.input([1, 8])
    for i in range(1000):
        x = net.linear(f"layer{i}", x, 8 + i % 37 + (i * 7) % 11)
    assert len(html.render(sample_reports.whole("Flat", *net.finish(x))).encode()) < 2_000_000


# ------------------------------------------------------------------------------------------------------- what it says


def test_ten_seconds(pages: dict[str, str]) -> None:
    page = Page(pages["small"])
    head = page.words[: page.words.index("Findings 4")] + page.words[:3000]
    for wanted in (
        "1\xa0error, 2\xa0warnings, 1\xa0note".replace("\xa0", " "),
        "101,770",
        "softmax-with-cross-entropy",
        "dead-relu",
    ):
        assert wanted in head.replace("\xa0", " ")
    assert "<title>SimpleNet: 1\xa0error, 2\xa0warnings, 1\xa0note</title>" in pages["small"]


def test_a_finding_says_all_that_is_known(pages: dict[str, str]) -> None:
    words = Page(pages["small"]).words.replace("\xa0", " ")
    for wanted in (
        "dead units 93 %",
        "limit 60 %",
        "model.py:12",
        "A unit that is zero everywhere",
        "use LeakyReLU",
        "loss-floor",
    ):
        assert wanted in words
    assert 'id="finding-dead-relu-1"' in pages["small"]
    assert "from torch.autograd import Variable" in words


def test_findings_of_one_check_have_links_of_their_own() -> None:
    report = sample_reports.small()
    report.findings.append(report.findings[1])
    ids = Page(html.render(report)).ids()
    assert {"finding-dead-relu-1", "finding-dead-relu-2"} <= set(ids)


def test_a_finding_about_a_line_leads_to_the_operation_that_ran_there() -> None:
    report = sample_reports.small()
    relu = next(node for node in report.facts.graph.nodes if node.name == "relu")
    relu.location = Location(path="model.py", line=77)
    report.findings = [Finding(check="dead-relu", severity="error", message="dead", module="", location=relu.location)]
    link = re.search(r'<a class="show" href="#(n0-\d+)"', html.render(report))
    assert link
    assert link[1] == "n0-2"
    assert report.findings[0].node is None


def test_code_in_a_fix_is_code_and_nothing_else_is() -> None:
    report = sample_reports.small()
    report.findings[0].fix = "Write `x = <b>` **here**"
    assert "Write <code>x = &lt;b&gt;</code> **here**" in html.render(report)


def test_no_problem_is_said_with_the_number_of_checks(pages: dict[str, str]) -> None:
    assert "No problem found in 11 checks" in Page(pages["healthy"]).words.replace("\xa0", " ")


def test_all_checks_are_listed_with_what_became_of_them(pages: dict[str, str]) -> None:
    words = Page(pages["small"]).words
    for wanted in ("class-imbalance", "the labels are synthetic", "misaligned-width", "ZeroDivisionError"):
        assert wanted in words


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("weights_only", "a state dict has no code to run"),
        ("no_probe", "The stage probe was stopped: the process was killed for memory"),
        ("forward_failed", "Never called in the recorded forward: fc2"),
        ("nothing", "The modules are not known. There is no model."),
        ("not_finite", "The first NaN or Inf came in step 3 (forward) out of log in fc2 at model.py:13"),
    ],
)
def test_what_is_missing_is_said_and_why(pages: dict[str, str], name: str, wanted: str) -> None:
    assert wanted in Page(pages[name]).words


def test_every_chart_has_its_numbers_in_a_table(pages: dict[str, str]) -> None:
    page = pages["small"]
    figures = re.findall(r'<figure class="chart".*?</figure>', page, re.S)
    without = [f for f in figures if "<table" not in f]
    assert len(figures) >= 8
    # both axes of the loss share the table that stands under them, whichever is shown
    loss = "Loss over the probe&#39;s steps"
    names = [re.search(r"<strong>(.*?)</strong>", f)[1] for f in without]  # type: ignore[index]
    assert names == [loss, loss]
    after = page[page.rindex(without[1]) + len(without[1]) :]
    assert re.match(r'\s*</div>\s*<details class="nums"><summary>The numbers as a table</summary>\s*<div[^>]*><table', after)


def test_a_finding_about_an_operation_marks_it_among_those_of_its_line() -> None:
    report = sample_reports.small()
    graph = report.facts.graph
    assert graph
    where = Location(path="model.py", line=77, function="forward", text="x = torch.relu(self.fc1(x.flatten(1)))")
    first = next(node for node in graph.nodes if node.kind == "op")
    ops = [
        msgspec.structs.replace(first, id=900 + i, name=name, module="", location=where)
        for i, name in enumerate(("flatten", "relu"))
    ]
    graph = msgspec.structs.replace(graph, nodes=[*graph.nodes, *ops])
    finding = Finding(
        check="dead-relu",
        severity="error",
        message="100 % of the units of the relu in the model",
        module="",
        modules=[""],
        location=where,
    )
    assert located([finding], graph)[0].node == 901


def test_what_only_follows_from_a_finding_leads_to_it() -> None:
    report = sample_reports.small()
    cause = msgspec.structs.replace(report.findings[0], consequences=["no-gradient: nothing arrives"])
    outcomes = [*report.outcomes, Outcome("no-gradient", "found")]
    groups = checks(msgspec.structs.replace(report, findings=[cause], outcomes=outcomes))
    found = next(
        each for group in groups for each in group["checks"] if each["slug"] == "no-gradient" and group["state"] == "found"
    )
    assert found["anchor"] == f"finding-{cause.check}-1"


def test_the_header_says_what_shape_comes_out(pages: dict[str, str]) -> None:
    graph = sample_reports.small().facts.graph
    assert graph
    assert re.fullmatch(r"float32\[\d+, 10\]", describe_output(graph))
    assert describe_output(msgspec.structs.replace(graph, output="dict(logits, loss)")) == "dict(logits, loss)"


def test_sentences_of_the_method_and_of_training_read_well() -> None:
    from nnreport.facts import Witness
    from nnreport.render.page_method import methods
    from nnreport.render.page_training import loss_words

    facts = sample_reports.small().facts
    assert facts.graph
    facts.graph.witness = Witness("torchview", "agrees", detail="the same 4 module calls", calls=4, expected=4)
    assert dict(methods(facts))["Cross-check"] == "torchview, an independent recorder, agrees with it: the same 4 module calls."
    assert loss_words(LossInfo(name="model", source="model")) == "its own loss"
    assert sentence("make the layer fit, or mend what comes before it") == "Make the layer fit, or mend what comes before it."
    assert sentence("input_size=3, or another") == "input_size=3, or another."


def test_parameters_of_one_value_do_not_press_the_others_into_a_line() -> None:
    report = sample_reports.small()
    assert report.facts.weights
    stats = report.facts.weights.stats
    for each, value in ((stats[1], 1.0), (stats[3], 0.0)):
        each.minimum = each.maximum = each.mean = value
        each.std = 0.0
    (figure,) = re.findall(r'<figure class="chart" id="c-weights" data-kind="strips".*?</figure>', html.render(report), re.S)
    assert "2 more hold one value throughout (1 or 0). “One by one” has all." in figure
    assert f">{stats[0].name}<" in figure
    assert f">{stats[1].name}<" not in figure
    for each in stats:
        each.minimum = each.maximum = 0.0
    assert "one value throughout" not in html.render(report), "where nothing else is there, they are drawn"


def test_where_no_unit_is_dead_a_sentence_says_so() -> None:
    report = sample_reports.small()
    assert report.facts.probe
    series = report.facts.probe.activations[0]
    series.dead, series.units, series.dead_samples = 0.5, 128, 64
    assert "Dead units after the last step" in html.render(report)
    for each in report.facts.probe.activations:
        each.dead = None if each.dead is None else 0.0
    page = html.render(report)
    assert "Dead units after the last step" not in page
    assert "No dead unit after the last step: every unit of" in Page(page).words


def test_the_frozen_and_the_tied_are_marked() -> None:
    report = sample_reports.small()
    report.facts.tree.modules[1].trainable = 0
    report.facts.tree.parameters[0].tied = ["head.weight"]
    text = html.render(report)
    assert "❄" in text
    assert "the same tensor: head.weight" in text


# --------------------------------------------------------------------------------------------------------------- prose


def test_prose_knows_the_markdown_of_pages() -> None:
    made = prose(
        "## Looks for\n\nA `<b>` and **strong**.\n\n- one\n  more\n- two\n\n    x = 1 < 2\n\nSee https://pytorch.org/docs."
    )
    assert "<h4>Looks for</h4>" in made
    assert "<code>&lt;b&gt;</code> and <strong>strong</strong>" in made
    assert "<li>one more</li><li>two</li>" in made
    assert "<pre><code>x = 1 &lt; 2</code></pre>" in made
    assert '<a href="https://pytorch.org/docs" rel="noreferrer">' in made


@pytest.mark.parametrize(
    "bad", ["<script>alert(1)</script>", "[x](javascript:alert(1))", '[a](https://x.y/"onclick="z)', "`</code><img>`"]
)
def test_prose_makes_no_markup_of_others(bad: str) -> None:
    tags = Page(prose(bad)).tags
    assert {tag for tag, _ in tags} <= {"p", "code", "a"}
    for _, attrs in tags:
        assert set(attrs) <= {"href", "rel"}
        assert (attrs.get("href") or "https:").startswith("https:")
