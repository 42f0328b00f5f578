"""The command line: its exit statuses, and one clear line for what cannot be used."""

import pytest

from nnreport.cli.outputs import default_output

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, hidden=8, act="relu"):
        super().__init__()
        self.fc = nn.Linear(4, hidden)

    def forward(self, x):
        return self.fc(x)


class Other(nn.Module):
    pass


number = 3
"""
FILES = {"m.py": NET}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.py:Nett", "--input", "1,4"], ["Nett", "Net", "Other"]),
        (["missing.py:Net", "--input", "1,4"], ["missing.py"]),
        (["m.py:number", "--input", "1,4"], ["number", "int"]),
        (["m.py:Net(4, 'relu', 5)", "--input", "1,4"], ["hidden", "act"]),
        (["m.py:Net(width=4)", "--input", "1,4"], ["width", "hidden"]),
        (["m.py:Net", "--input", "1x4"], ["1x4", "1,4"]),
        (["m.py:Net", "--input", "1,4:float33"], ["float33", "float32"]),
        (["m.py:Net"], ["--input"]),
        (["m.py:Net", "--input", "1,4", "--loss", "cross_entrophy"], ["cross_entrophy", "cross_entropy"]),
        (["m.py:Net", "--input", "1,4", "--optimizer", "addam"], ["addam"]),
        (["m.py:Net", "--input", "1,4", "--device", "cuda:9"], ["cuda:9"]),
        (["m.py:Net", "--input", "1,4", "--weights", "none.pt"], ["none.pt"]),
        (["m.py:Net", "--input", "1,4", "--data", "m.py:nothing"], ["nothing"]),
        (["no_such_package.models:Net", "--input", "1,4"], ["no_such_package"]),
        (["m.py:Net", "--input", "@none.pt"], ["none.pt"]),
        (["m.py:Net", "--input", "1,4", "--select", "dead-rellu"], ["dead-rellu"]),
        (["m\udcff.py:Net", "--input", "1,4"], ["no text", "PYTHONUTF8=1"]),
        (["m.py:Net", "--input", "1,4", "-o", "x.docx"], [".docx", ".html"]),
        (["m.py:Net", "--input", "1,4", "-o", "no/where/x.html"], ["no/where"]),
        (["m.py:Net", "--frobnicate"], ["frobnicate"]),
        ([], ["TARGET"]),
    ],
)
def test_wrong_usage_is_told_in_one_line(nnreport, arguments, words):
    done = nnreport(*arguments, files=FILES, json_report=False)
    assert done.status == 2, done.err
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("nnreport:")]
    assert len(lines) == 1, done.err
    for word in words:
        assert word in lines[0]
    assert not list(done.folder.glob("nnreport-*"))


def test_the_default_is_an_html_file_named_after_the_model(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", "--no-probe", files=FILES, json_report=False)
    assert done.status == 0, done.err
    assert (done.folder / "nnreport-Net.html").exists()


def test_markdown_goes_to_standard_output_alone(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", "--no-probe", "-q", "-o", "-", files=FILES, json_report=False)
    assert done.status == 0
    assert "Net" in done.out
    assert done.err == ""


def test_quiet_says_nothing(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", "--no-probe", "-q", files=FILES)
    assert (done.status, done.out, done.err) == (0, "", "")


def test_fail_on(nnreport):
    sick = NET.replace("return self.fc(x)", "return self.fc(x.T)")
    assert nnreport("m.py:Net", "--input", "1,4", files={"m.py": sick}).status == 0
    assert nnreport("m.py:Net", "--input", "1,4", "--fail-on", "error").status == 1
    assert nnreport("m.py:Net", "--input", "1,4", "--fail-on", "error", "--ignore", "forward-error,structure").status == 0


def test_pyproject_gives_defaults_and_the_command_line_wins(nnreport):
    config = '[tool.nnreport]\ninput = ["1,4"]\nno-probe = true\nseed = 5\noutput = "fine.md"\n'
    done = nnreport("m.py:Net", "--seed", "7", files={**FILES, "pyproject.toml": config})
    assert done.status == 0, done.err
    assert done.report["facts"]["environment"]["seed"] == 7
    assert next(stage for stage in done.report["stages"] if stage["name"] == "probe")["state"] == "skipped"
    done = nnreport("m.py:Net", json_report=False)
    assert (done.folder / "fine.md").exists()


def test_an_unknown_key_in_pyproject_is_named(nnreport):
    done = nnreport("m.py:Net", files={**FILES, "pyproject.toml": "[tool.nnreport]\nfail_onn = 'error'\n"})
    assert done.status == 2
    assert "fail_onn" in done.err
    assert "fail-on" in done.err


def test_no_exec_reads_and_never_runs(nnreport):
    code = "raise SystemExit('ran')\n" + NET.replace("        super().__init__()\n", "")
    done = nnreport("m.py:Net", "--no-exec", files={"m.py": code})
    assert done.status == 0, done.err
    assert [finding["check"] for finding in done.report["findings"]] == ["missing-super-init"]
    assert done.report["findings"][0]["location"]["path"] == "m.py"


def test_render_draws_a_saved_report_again(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", "-o", "first.html", "-o", "saved.json", files=FILES)
    assert done.status == 0
    again = nnreport("render", "saved.json", "-o", "second.html", json_report=False)
    assert again.status == 0, again.err
    assert (done.folder / "first.html").read_text() == (done.folder / "second.html").read_text()


def test_two_runs_with_one_seed_agree(nnreport):
    first = nnreport("m.py:Net", "--input", "8,4", files=FILES).report
    second = nnreport("m.py:Net", "--input", "8,4").report
    assert first["facts"]["probe"]["losses"] == second["facts"]["probe"]["losses"]
    assert first["findings"] == second["findings"]


def test_the_default_file_has_a_name_that_can_be_written():
    assert default_output("神经网络") == "nnreport-神经网络.html"
    assert default_output("a/b c") == "nnreport-a_b_c.html"
    assert len(default_output("网" * 300).encode()) < 255
