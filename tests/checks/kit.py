"""What the tests of the checks share: a model, or a file of the user's, to the findings of one check."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import nnreport
from nnreport.build import build_report
from nnreport.facts import Facts
from nnreport.finding import Finding
from nnreport.inspector.reading.source import read_file

_count = itertools.count()


def findings_of(slug: str, model, *inputs, probe: bool = False, **options) -> list[Finding]:
    """The findings of one check alone, so that nothing is folded into another finding."""
    report = nnreport.inspect(model, *inputs, probe=probe, select=[slug], **options)
    outcome = next(each for each in report.outcomes if each.check == slug)
    assert outcome.state != "failed", outcome.reason
    return report.findings


def from_facts(slug: str, facts: Facts) -> list[Finding]:
    """The same from facts that were made by hand."""
    report = build_report(facts, select=[slug])
    outcome = next(each for each in report.outcomes if each.check == slug)
    assert outcome.state != "failed", outcome.reason
    return report.findings


def load(folder: Path, text: str):
    """A file of the user's with that text, imported."""
    name = f"users_file_{next(_count)}"
    path = folder / f"{name}.py"
    path.write_text(HEAD + text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def static(folder: Path, slug: str, text: str) -> list[Finding]:
    """The findings in a file that is only read."""
    path = folder / f"users_file_{next(_count)}.py"
    path.write_text(HEAD + text)
    return from_facts(slug, Facts(source=[read_file(path)]))


HEAD = "import numpy as np\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
