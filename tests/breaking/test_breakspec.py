"""What --break-on may name, and the one line for what it may not."""

import pytest

from nnreport.breakspec import parse_break, parse_breaks
from nnreport.errors import UsageError


def test_all_kinds():
    kinds = [
        spec.kind for spec in parse_breaks(["nan", "explode,dead", "forward:layer2.0", "finding:dead-relu", "step:100", "nan"])
    ]
    assert kinds == ["nan", "explode", "dead", "forward", "finding", "step"]
    assert parse_break("step:100").step == 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nann", "did you mean nan?"),
        ("forwrd:fc1", "did you mean forward?"),
        ("forward", "a module's path"),
        ("forward:", "a module's path"),
        ("step:0", "from 1 on"),
        ("step:ten", "from 1 on"),
        ("nan:fc1", "takes nothing"),
        ("finding:dead-rel", "did you mean finding:dead-relu?"),
        ("finding:qqqqqq", "nnreport checks"),
        ("xyz", "none of nan, explode"),
    ],
)
def test_wrong_ones_say_what_is_meant(text, words):
    with pytest.raises(UsageError, match=r"--break-on") as raised:
        parse_break(text, ["dead-relu", "small-init"])
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_paths_match_by_glob_and_the_root_is_a_dot():
    paths = ["", "layer1", "layer1.0", "layer2.0"]
    assert [p for p in paths if parse_break("forward:layer1*").matches(p)] == ["layer1", "layer1.0"]
    assert [p for p in paths if parse_break("forward:.").matches(p)] == [""]
    assert parse_break("forward:layer2.0").unmatched(paths) == ""
    assert "did you mean backward:layer2.0?" in parse_break("backward:layer3.0").unmatched(paths[:1] + paths[3:])
    assert "there are ., fc" in parse_break("backward:zzz").unmatched(["", "fc"])
