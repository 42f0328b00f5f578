"""Markdown that GitHub renders well, stays under its limit, and in which no name of the model becomes markup."""

import re

import pytest
from sample_net import Net
from sample_reports import HOSTILE, every, hostile, large, small, whole

from nnreport.facts import Location, Stage
from nnreport.finding import Finding, Outcome
from nnreport.render import gfm, markdown
from nnreport.render.markdown import render
from nnreport.render.mermaid import NODE_LIMIT, overview
from nnreport.report import Report

GITHUB_LIMIT = 60_000


@pytest.mark.parametrize("make", every().values(), ids=every().keys())
def test_every_report_has_its_marker_verdict_and_foot(make):
    text = render(make())
    lines = text.splitlines()
    assert re.fullmatch(r"<!-- nnreport .* -->", lines[0])
    assert lines[1] == ""
    assert lines[2].startswith("## ")
    assert "<sub>nnreport" in text
    assert len(text) < GITHUB_LIMIT
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_findings_have_their_place_and_their_mend():
    text = render(small(), "https://github.com/o/r/blob/abc/")
    assert "### 🛑 error: softmax-with-cross-entropy" in text
    assert "[`model.py:14`](https://github.com/o/r/blob/abc/model.py#L14)" in text
    assert "```diff\n-        return F.softmax(self.fc2(x), dim=1)\n+        return self.fc2(x)\n```" in text
    assert "**Fix**: Return the logits" in text
    assert "[`model.py:14`](model.py#L14)" in render(small())


def test_the_loss_is_a_row_of_bars():
    assert re.search(r"`█[▁-█]+▁`", render(small()))


def test_a_thousand_layers_and_a_thousand_findings_fit():
    report = large(170)
    assert report.facts.tree
    assert len(report.facts.tree.modules) > 1000
    place = Location(path="some/long/folder/model.py", line=7, text="x = " + "self.layer(x) + " * 20)
    report.findings = [
        Finding(
            check=f"check-{i}",
            severity="error",
            message="m " * 2000,
            module=f"stage.{i}",
            location=place,
            why="w " * 2000,
            fix="f " * 2000,
            code="c = 1\n" * 2000,
            modules=[f"stage.{k}" for k in range(500)],
            consequences=["c " * 400] * 50,
        )
        for i in range(1000)
    ]
    report.stages = [Stage(name=f"s{i}", state="failed", error="e " * 1000) for i in range(100)]
    report.outcomes = [Outcome(check=f"a-long-slug-{i}", state="passed") for i in range(3000)]
    text = render(report)
    assert len(text) < GITHUB_LIMIT
    (line,) = [line for line in text.splitlines() if line.startswith("*Shortened")]
    assert "The HTML report has it all" in line
    assert text.count("```") % 2 == 0, "no fence is left open"
    assert text.count("<details>") == text.count("</details>")


def test_what_fits_is_not_called_shortened():
    assert "Shortened" not in render(large())


def outside_code(text: str) -> str:
    """The Markdown without fenced blocks and code spans."""
    text = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


def test_hostile_names_are_data():
    prose = outside_code(render(hostile()))
    assert HOSTILE not in prose
    assert "<img" not in prose
    assert "<svg" not in prose
    assert not re.search(r"@\w", prose)
    assert not re.search(r"(?<!&)#\d", prose)
    assert set(re.findall(r"<[^>]+>", prose)) <= {
        "<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<!-- nnreport model.py:Evil -->",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("fc_1 and dead_units", "fc_1 and dead_units"),
        ("_private_ *bold*", r"\_private\_ \*bold\*"),
        ("a | b", r"a \| b"),
        ("two\nlines\r\n  more", "two lines more"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("<b> & &amp;", "&lt;b&gt; & &amp;amp;"),
        ("hi @octocat, see #12 or GH-3", "hi @&#8203;octocat, see #&#8203;12 or GH-&#8203;3"),
        ("C# is # fine", "C# is # fine"),
        ("`x` $a$ ~~s~~", r"\`x\` \$a\$ \~\~s\~\~"),
        ("\x1b[31mred\u202e", r"\\x1b\[31mred\\u202e"),
        ("層 שכבה 🔥", "層 שכבה 🔥"),
    ],
)
def test_prose_is_escaped(value, wanted):
    assert gfm.text(value) == wanted


def test_code_spans_hold_anything():
    assert gfm.code("a") == "`a`"
    assert gfm.code("a`b``c") == "``` a`b``c ```"
    assert gfm.code("a|b\nc") == "`a¦b c`"
    assert gfm.code("") == ""
    assert gfm.block("```\nx\n```").startswith("````\n```")
    assert gfm.comment("a --> <script> b---c") == "<!-- a  script bc -->"


def test_the_overview_folds_equal_blocks():
    text = overview(every()["medium"]().facts)
    assert "Block ×6" in text
    assert text.count("-->") == 5
    assert text.startswith("flowchart TD\n")


def test_the_overview_stays_small():
    net = Net("model.Wide")
    x = net.input([1, 8])
    total = x
    for i in range(200):  # 200 different branches from one input: nothing to fold
        total = net.op("add", total, net.linear(f"branch{i}", x, 8 + i % 2))
    tree, graph = net.finish(total)
    text = overview(whole("Wide", tree, graph).facts)
    boxes = [line for line in text.splitlines() if re.match(r"  \w+[\[(]", line)]
    assert 10 < len(boxes) <= NODE_LIMIT
    assert "more boxes" in text
    assert text.count("\n") < 500


def test_no_graph_no_overview():
    assert overview(Report().facts) == ""
    assert "mermaid" not in render(every()["weights_only"]())


def test_labels_of_the_overview_cannot_end():
    text = overview(hostile().facts)
    for line in text.splitlines():
        if '["' in line or '(["' in line:
            inner = line[line.index('"') + 1 : line.rindex('"')]
            assert not set('"`\\|') & set(inner)
            assert not re.search(r"<(?!br/>)", inner)


def test_the_sign_is_never_alone():
    for severity, sign in markdown.SIGNS.items():
        assert f"{sign} {severity}" in render(Report(findings=[Finding(check="c", severity=severity, message="m")]))
