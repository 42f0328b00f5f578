"""The PDF: what is written, bookmarked, attached and tagged in it, and that nothing runs off a page."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sample_net import Net
from sample_reports import HOSTILE, every, hostile, large, medium, small, whole

from nnreport import store
from nnreport.errors import UsageError
from nnreport.render import pango, pdf
from nnreport.report import Report

pypdf = pytest.importorskip("pypdf")
needs_pango = pytest.mark.skipif(pango.pdf_problem() is not None, reason="no Pango")


def read(data: bytes) -> "pypdf.PdfReader":
    return pypdf.PdfReader(io.BytesIO(data))


def words(data: bytes) -> str:
    """All text, with the line breaks and ligatures of layout undone."""
    text = " ".join(page.extract_text() for page in read(data).pages)
    # pypdf leaves a NUL before each character of a font in which some characters lie beyond the basic plane.
    return re.sub(r"\s+", " ", text.replace("\ufb01", "fi").replace("\ufb02", "fl").replace("\x00", ""))


@pytest.fixture(scope="module")
def document() -> bytes:
    return pdf.render(small())


@needs_pango
def test_the_first_page_has_the_verdict_and_the_numbers(document):
    first = re.sub(r"\s+", " ", read(document).pages[0].extract_text())
    assert "SimpleNet" in first
    assert "1 error, 2 warnings, 1 note" in first
    assert "101,770" in first
    assert "Contents" in first
    assert re.search(r"Training [. ]*\d", first), "contents with page numbers"


@needs_pango
def test_findings_fixes_methods_and_running_heads(document):
    text = words(document)
    assert "softmax-with-cross-entropy" in text
    assert "model.py:14" in text
    assert "return self.fc2(x)" in text
    assert "How it was measured" in text
    assert "nnreport model.py:SimpleNet --input 1,784" in text
    pages = read(document).pages
    assert f"2 / {len(pages)}" in pages[1].extract_text()
    assert "SimpleNet" in pages[2].extract_text()


@needs_pango
def test_bookmarks_lead_through_it(document):
    names = [item.title for item in read(document).outline if not isinstance(item, list)]
    assert names[:4] == ["Findings", "Architecture", "Training", "Weights"]


@needs_pango
def test_the_json_is_attached_and_whole(document):
    attached = read(document).attachments["report.json"][0]
    back = store.parse(attached)
    assert back.model == small().model
    assert json.loads(attached)["schema"] == 1


@needs_pango
def test_it_is_tagged_and_has_its_metadata(document):
    reader = read(document)
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert reader.metadata.title == "SimpleNet: report"
    assert "2025-01-02" in str(reader.metadata.creation_date)


@needs_pango
def test_same_report_same_bytes(document):
    time.sleep(1.1)  # dates in PDFs have seconds
    assert pdf.render(small()) == document


@needs_pango
def test_a_hand_in_has_a_cover():
    report = small()
    report.title, report.author, report.course = "Digits, week 3", "Ada Lovelace", "Deep Learning 101"
    reader = read(pdf.render(report))
    cover = re.sub(r"\s+", " ", reader.pages[0].extract_text())
    for text in ("Digits, week 3", "Ada Lovelace", "Deep Learning 101", "2 January 2025"):
        assert text in cover
    assert "1 /" not in cover
    assert reader.metadata.author == "Ada Lovelace"
    assert "1\xa0error" in reader.pages[1].extract_text()


@needs_pango
@pytest.mark.parametrize("name", ["weights_only", "no_probe", "forward_failed", "not_finite", "nothing"])
def test_poor_reports_are_drawn(name):
    text = words(pdf.render(every()[name]()))
    assert "Findings" in text
    assert "How it was measured" in text


@needs_pango
def test_hostile_names_are_text():
    data = pdf.render(hostile())
    assert HOSTILE.replace(" ", "") in words(data).replace(" ", "")
    for page in read(data).pages:
        for annotation in page.get("/Annots", []):
            action = annotation.get_object().get("/A", {})
            assert "/URI" not in action
            assert "/JS" not in action


@needs_pango
def test_nothing_is_fetched_from_disk_or_network(tmp_path, monkeypatch):
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    report = small()
    address = secret.as_uri()
    report.findings[
        0
    ].message = f'<link rel=attachment href="{address}"><img src="{address}"><style>@import url({address})</style>'
    import weasyprint.urls

    asked = []
    original = weasyprint.urls.URLFetcher.fetch

    def fetch(self, url, headers=None):
        asked.append(url)
        return original(self, url, headers)

    monkeypatch.setattr(weasyprint.urls.URLFetcher, "fetch", fetch)
    data = pdf.render(report)
    assert asked
    assert all(url.startswith("data:") for url in asked)
    assert list(read(data).attachments) == ["report.json"]
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    with pytest.raises(ValueError, match="protocol"):
        fetcher.fetch(address)


@needs_pango
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no poppler")
@pytest.mark.parametrize("make", [medium, hostile], ids=["medium", "hostile"])
def test_no_text_runs_off_its_page(make, tmp_path):
    path = tmp_path / "x.pdf"
    report = make()
    report.findings[0].message = "m" * 400
    report.facts.environment.command = "nnreport " + "a" * 500
    path.write_bytes(pdf.render(report))
    box = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, check=True).stdout.decode()
    for page in box.split("<page ")[1:]:
        width = float(re.search(r'width="([\d.]+)"', page)[1])
        edges = [(float(a), float(b)) for a, b in re.findall(r'<word xMin="([-\d.]+)" yMin="[-\d.]+" xMax="([-\d.]+)"', page)]
        assert edges
        assert min(a for a, _ in edges) > 0.04 * width, page[:60]
        assert max(b for _, b in edges) < 0.96 * width, page[:60]


@needs_pango
def test_a_tall_diagram_is_cut_between_its_boxes():
    from nnreport.render.paper_figures import cuts

    box = '<rect x="1" y="{}" width="80" height="42" class="bx" fill="#fff"/>'
    svg = "".join(box.format(10 + 64 * i) for i in range(40))
    strips = cuts(svg, 40 * 64 + 20, 500)
    assert len(strips) >= 5
    assert all(tall <= 500 for _, tall in strips)
    edges = [edge for top, tall in strips for edge in (top, top + tall)][1:-1]
    assert not [edge for edge in edges for i in range(40) if 10 + 64 * i < edge < 52 + 64 * i]
    assert len(cuts('<rect x="1" y="0" width="80" height="900" class="bx"/>', 900, 500)) == 2  # one box: through it


def test_a_heading_stands_with_what_follows_it():
    net = Net("model.Twins")
    x = net.input([1, 8])
    for i in range(8):
        x = net.linear(f"layer{i}", x, 8 + i)
    for k, block in enumerate(("first", "second", "third")):  # tall and narrow: two levels stand beside each other, none below
        with net.inside(block, f"model.Block{k}", x):
            for i in range(10):
                x = net.linear(f"{block}.{i}", x, 20 + 3 * i + k)
    tree, graph = net.finish(x)
    for page in read(pdf.render(whole("Twins", tree, graph))).pages:
        assert len(page.extract_text().split()) > 15, page.extract_text()


@needs_pango
def test_a_model_of_hundreds_of_layers_takes_seconds():
    report = large(34)
    assert report.facts.tree
    assert len(report.facts.tree.modules) > 200
    start = time.process_time()
    data = pdf.render(report)
    assert time.process_time() - start < 20
    text = words(data)
    assert "BasicBlock ×" in text
    assert "Appendix: all modules" in text


@needs_pango
def test_characters_without_a_font_are_named():
    report = every()["nothing"]()
    report.model.name = "Net\U000e0102\u0378"  # no font has an unassigned character
    data, notes = pdf.with_notes(report)
    (note,) = notes
    assert "U+0378" in note
    assert "install a font" in note
    assert "no font here has" in words(data)
    assert pdf.with_notes(every()["nothing"]())[1] == []


def test_the_fonts_to_install_fit_the_characters():
    assert "fonts-noto-cjk" in pdf.fonts_for(["U+5C64 CJK UNIFIED IDEOGRAPH-5C64"])
    assert "fonts-noto-color-emoji" in pdf.fonts_for(["U+1F525 FIRE"])
    assert "fonts-noto-core" in pdf.fonts_for(["U+0378"])


@needs_pango
def test_a_report_of_nothing():
    assert "No check could be run" in words(pdf.render(Report()))


def broken(folder: Path, body: str) -> subprocess.CompletedProcess:
    """Asks for the problem where importing WeasyPrint does what ``body`` says and no library loads."""
    (folder / "weasyprint.py").write_text(body)
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import nnreport.render.pango as p, nnreport.render.pdf as q\n"
        "p.loads = lambda name: False\n"
        "print(p.pdf_problem())\n"
        "try: q.load()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_without_pango_one_line_says_what_to_install(tmp_path):
    done = broken(tmp_path, "print('-----\\nlong advice\\n')\nraise OSError('cannot load library libpango-1.0-0')")
    problem, raised = done.stdout.splitlines()
    assert problem.startswith("a PDF needs Pango, which cannot be loaded: ")
    assert raised == f"UsageError {problem}"
    assert "advice" not in done.stdout


@pytest.mark.parametrize(
    ("program", "uid", "command"),
    [
        ("apt-get", 0, "apt-get install -y libpango-1.0-0"),
        ("apt-get", 1000, "sudo apt-get install -y libpango-1.0-0"),
        ("dnf", 1000, "sudo dnf install -y pango"),
        ("none", 1000, "install Pango"),
    ],
)
def test_the_command_fits_the_machine(monkeypatch, program, uid, command):
    monkeypatch.setattr(pango.sys, "platform", "linux")
    monkeypatch.setattr(pango.os, "geteuid", lambda: uid, raising=False)
    monkeypatch.setattr(pango.shutil, "which", lambda name: f"/usr/bin/{name}" if name == program else None)
    assert pango.install_command().startswith(command)


def test_without_weasyprint_too(monkeypatch):
    monkeypatch.setattr(pango.importlib.util, "find_spec", lambda name: None)
    assert "pip install weasyprint" in str(pango.pdf_problem())


def test_a_missing_library_is_a_usage_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError):
        pdf.render(small())
