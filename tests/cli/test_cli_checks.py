"""``nnreport checks``: the catalogue, a page, and all pages."""

from nnreport.checks.registry import HEADINGS, all_checks


def test_the_list_names_every_check(nnreport):
    done = nnreport("checks", json_report=False)
    assert done.status == 0
    assert all(f"  {check.slug} " in done.out for check in all_checks())


def test_a_group_alone(nnreport):
    done = nnreport("checks", "activations", json_report=False)
    assert "dead-relu" in done.out
    assert "stacked-linear" not in done.out


def test_the_page_of_one(nnreport):
    done = nnreport("checks", "dead-relu", json_report=False)
    assert done.status == 0
    assert all(f"## {heading}" in done.out for heading in HEADINGS)


def test_all_pages_as_markdown(nnreport):
    done = nnreport("checks", "--markdown", json_report=False)
    assert done.out.startswith("# Checks")
    assert all(f"### {check.slug}\n" in done.out for check in all_checks())


def test_a_verb_misspelt_gets_a_suggestion(nnreport):
    done = nnreport("rendr", "x.json", json_report=False)
    assert done.status == 2
    assert "'render'" in done.err


def test_an_unknown_slug_gets_a_suggestion(nnreport):
    done = nnreport("checks", "dead-rellu", json_report=False)
    assert done.status == 2
    assert "dead-relu" in done.err
