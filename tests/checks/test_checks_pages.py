"""Every check's page is whole, and the catalogue's names are there."""

import re
from pathlib import Path

import pytest

import nnreport.checks
from nnreport.checks.registry import HEADINGS, all_checks, find

CATALOGUE = {
    "structure": """construction-error forward-error backward-error unregistered-module unregistered-parameter
        unregistered-buffer unused-module unused-output stacked-linear redundant-activation relu-output bias-before-norm
        reused-batchnorm dominant-layer spatial-collapse mixed-batch ignored-input nondeterministic-eval fixed-batch-size
        constant-output width-one-softmax graph-cut wrong-softmax-dim identical-layers""",
    "normalisation": "batchnorm-batch-one dropout-before-batchnorm excessive-dropout frozen-batchnorm-drift",
    "trained": "non-finite-weights dead-filters weight-outliers low-rank-weights checkpoint-mismatch",
    "speed": "hot-layer misaligned-width host-sync many-small-calls unfused-attention",
    "source": """missing-super-init module-in-forward functional-dropout forward-called-directly hard-coded-device
        detach-in-forward numpy-in-forward state-in-forward deprecated-variable""",
}


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.slug)
def test_a_page_has_every_heading(check):
    for heading in HEADINGS:
        assert check.section(heading), f"{check.slug} says nothing under “{heading}”"
    order = [check.page.index(f"## {heading}") for heading in HEADINGS]
    assert order == sorted(order)
    assert max(map(len, check.page.splitlines())) <= 130


@pytest.mark.parametrize("group", CATALOGUE)
def test_the_catalogue_is_there(group):
    for slug in CATALOGUE[group].split():
        check = find(slug)
        assert check is not None, slug
        assert check.group == group


def test_per_cent_is_written_one_way_in_every_message() -> None:
    """``88 %``, with a space, as everywhere in the report."""
    root = Path(nnreport.checks.__file__).parent
    files = [file for file in root.rglob("*.py") if file.parent.name != "script"]
    glued = [file.name for file in files if re.search(r":\.\d%\}", file.read_text("utf-8"))]
    assert glued == []
