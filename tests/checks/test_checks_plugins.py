"""Checks of other packages: used where they are whole, named where they are broken, and never at the report's cost."""

from importlib.metadata import EntryPoint

import pytest

from nnreport.checks import registry
from nnreport.checks.runner import run_checks
from nnreport.facts import Facts, Module, Tree

WHOLE = '''"""house-rule: no layer may stand alone"""
from nnreport.finding import Finding
SEVERITY, NEEDS = "note", ("tree",)
def check(facts):
    yield Finding(check="house-rule", severity="note", message="alone", module="fc")
'''


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        (WHOLE, "found", ""),
        ("raise ImportError('gone')", "failed", "gone"),
        ("def check(facts): yield 1", "failed", "first line"),
        (None, "failed", "house_rule"),
    ],
)
def test_a_plugin(text, state, words, tmp_path, monkeypatch):
    if text is not None:
        (tmp_path / "house_rule.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "house_rule", raising=False)
    entry = EntryPoint("house-rule", "house_rule", "nnreport.checks")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    checks = registry.all_checks.__wrapped__()
    assert len(checks) > 60
    findings, outcomes = run_checks(Facts(tree=Tree(modules=[Module(path="", cls="N")])), checks=checks[-1:])
    assert [outcome.state for outcome in outcomes] == [state]
    assert words in outcomes[0].reason
    assert len(findings) == (state == "found")
