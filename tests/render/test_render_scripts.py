"""Names in any script, and names that attack, through every output format."""

import html as entities
import json
import re
from functools import lru_cache

import pytest
from rich.cells import cell_len
from sample_net import Net
from sample_reports import HOSTILE, hostile, whole

from nnreport import store
from nnreport.facts import Location
from nnreport.finding import Finding
from nnreport.render import github, html, markdown, notebook, pango, pdf, sarif, terminal
from nnreport.report import Report

NAMES = {
    "Chinese": "注意力层",
    "Korean": "출력",
    "Russian": "слой",
    "Arabic": "طبقة_الانتباه",
    "Hebrew": "שכבה",
    "Devanagari": "परत",
    "emoji": "🔥💧",
    "family": "👩\u200d👩\u200d👧",
    "accents": "cou\u0301che",
}
ATTACKS = {
    "HTML": HOSTILE,
    "attribute": "\" onmouseover=\"alert(1)' x='",
    "Markdown": "[click](javascript:alert(1)) ![x](http://evil.example/x.png) **b** @octocat #1",
    "table": "a | b || c",
    "fence": "```\n</details>\n# h1",
    "mermaid": '"]; click n0 call alert() "x"] --> evil',
    "annotation": "x\n::error file=a.py::owned\r\n##[error]owned,:%0A::set-output name=a::b",
    "escape": "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2028next\x00",
    "template": "{{7*7}}{% raw %}${{ secrets.X }}",
    "long": "n" * 300,
    "surrogate": "half\ud800",
}


@lru_cache
def report_of(name: str) -> Report:
    """A report in which everything that a user names has this name."""
    net = Net("model.Net")
    x = net.input([1, 8], name)
    tree, graph = net.finish(net.linear(name.replace(".", "_"), x, 4))
    line = f"self.{name} = x"
    finding = Finding(
        check="dead-relu",
        severity="error",
        message=f"{name} is dead",
        module=name,
        location=Location(path=f"{name}/net.py", line=3, text=line),
        fix=f"Mend {name}.",
        code=line,
        why=f"Because of {name}.",
    )
    report = whole("Net", tree, graph, findings=[finding], title=name)
    report.model.name = report.facts.target.name = name
    return report


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_any_script_comes_out_as_it_went_in(name):
    report = report_of(name)
    page = html.render(report)
    assert page.count(name) > 10
    assert f"<title>{name}" in page
    assert name in notebook.fragment(report)
    assert name in markdown.render(report)
    assert name in github.render(report)
    assert name in store.dump(report).decode()
    assert store.parse(store.dump(report)).findings[0].module == name
    log = json.loads(sarif.render(report))
    assert name in log["runs"][0]["results"][0]["message"]["text"]
    told = terminal.render(report, 60)
    assert name in told
    assert all(cell_len(line) <= 60 for line in told.splitlines())


@pytest.mark.skipif(pango.pdf_problem() is not None, reason="no Pango")
def test_any_script_is_drawn_in_the_pdf_or_its_characters_are_named():
    pypdf = pytest.importorskip("pypdf")
    import io

    for name in (NAMES["Russian"], NAMES["Chinese"]):
        data, notes = pdf.with_notes(report_of(name))
        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages).replace("\x00", "")
        assert name in text or any(f"U+{ord(name[0]):04X}" in note for note in notes)


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_data_everywhere(name):
    report = report_of(name)
    page = html.render(report)
    assert not re.search(r"<img|<svg/|onmouseover=[\"']?alert|49\}\}", page)
    assert (
        page.lower().count("<script")
        == page.lower().count("</script")
        == html.render(report_of("plain")).lower().count("<script")
    )
    prose = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$|(`+)(?!`).+?(?<!`)\2(?!`)", "", markdown.render(report))
    assert not re.search(r"<img|<svg|(?<!\\)!\[|@\w|(?<!&)#\d|(?<!\\)\]\((javascript|http://evil)", prose)
    assert prose.count("<details>") == prose.count("</details>")
    lines = github.render(report).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("::error ")
    assert "\x1b" not in lines[0]
    told = terminal.render(report, 80)
    assert not set("\x00\x07\x1b\u202e\u2028") & set(told)
    run = json.loads(sarif.render(report))["runs"][0]
    for result in run["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[^/:\\ ][^:\\ \n\r\x1b\"<>]*", uri)


def test_boxes_of_the_mermaid_overview_hold(monkeypatch):
    for name in ATTACKS.values():
        text = markdown.render(report_of(name))
        (drawing,) = re.findall(r"(?ms)^```mermaid\n(.*?)^```$", text)
        for line in drawing.splitlines()[1:]:
            assert re.fullmatch(r'  \w+(\["[^"\\`|]*"\]|\(\["[^"\\`|]*"\]\)|( -->(\|"[^"]*"\|)? \w+))', line), line


def test_hostile_pages_fit_a_comment():
    assert len(markdown.render(hostile())) < 65_536
    assert len(markdown.render(report_of("n" * 300)).encode()) < 65_536
    assert entities.unescape(html.render(hostile())).count("onerror") > 5, "the names are there, as text"
