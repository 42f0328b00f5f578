"""Verdicts on labelled training scripts, from the script's own lines to the findings; ``score_scripts.py`` has them all."""

import subprocess
import sys

import pytest
from score_scripts import SCRIPTS, cases, score

from nnreport.store import load

SUITE = """
    accumulation, amp early, autoencoder forget, char_rnn, char_rnn keep, detached, full_batch by hand, gan,
    image_classifier never_train_again, image_classifier no_eval, image_classifier sorted, lbfgs, mean_teacher, next_iter,
    plain_loop, plain_loop step, plain_loop zero_grad, ppo, rebuilt, rebuilt folds, swa, two_phases
"""
"""Those that run with the other tests: one of each kind."""
NAMES = {" ".join(name.split()) for name in SUITE.split(",")}


@pytest.mark.parametrize("case", [case for case in cases() if case["name"] in NAMES], ids=lambda case: case["name"])
def test_the_verdict_on(case):
    result = score(case)
    assert not result.trouble
    assert not result.missed, f"{case['why']}: expected one of {result.missed}"
    assert not result.false, f"{case['why']}: {result.false}"


def test_every_script_is_in_a_case():
    named = {case.get("script", f"{case['name']}.py") for case in cases()}
    assert named == {path.name for path in SCRIPTS.glob("*.py")}


def test_from_the_command_line(tmp_path):
    output = tmp_path / "run.json"
    command = [sys.executable, "-m", "nnreport", "run", "--steps", "20", "--stop", "--no-look", "-o", str(output)]
    done = subprocess.run([*command, "plain_loop.py", "zero_grad"], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "missing-zero-grad" in {finding.check for finding in load(output).findings}
