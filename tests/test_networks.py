"""Verdicts on labelled networks of many kinds, from the command line's words to the findings."""

import pytest
from score_networks import cases, score


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_the_verdict_on(case):
    result = score(case)
    assert not result.trouble
    assert not result.missed, f"{case['why']}: expected one of {result.missed}"
    assert not result.false, f"{case['why']}: {result.false}"
