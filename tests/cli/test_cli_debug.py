"""``nnreport debug`` and ``--break-on`` without a terminal: what is printed, the exit statuses, and wrong usage."""

import os
import subprocess
import sys

import msgspec
import pytest

from nnreport.cli.main import main

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        h = torch.relu(self.fc1(x))
        return self.fc2(h)


class Log(Net):
    def forward(self, x):
        return self.fc2(torch.log(self.fc1(x)))


class Wrong(Net):
    def forward(self, x):
        return self.fc2(self.fc1(x)[:, :7])


class Broken(nn.Module):
    def __init__(self):
        raise ValueError("not today")


def loss(output, target):
    raise KeyError("label")
"""


def debug(folder, monkeypatch, capsys, *arguments):
    """(exit status, standard error)."""
    (folder / "m.py").write_text(MODEL)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "__stdin__", open(os.devnull))  # noqa: SIM115
    with pytest.raises(SystemExit) as stop:
        main(["debug", *arguments])
    return stop.value.code or 0, capsys.readouterr().err


def test_nothing_happened(tmp_path, monkeypatch, capsys):
    status, said = debug(tmp_path, monkeypatch, capsys, "m.py:Net", "--input", "4,8", "--steps", "5")
    assert status == 0
    assert "nothing happened in 5 steps; the loss went from" in said
    assert not list(tmp_path.glob("*.html"))


def test_a_nan_is_told_of_with_the_tensors(tmp_path, monkeypatch, capsys):
    status, said = debug(tmp_path, monkeypatch, capsys, "m.py:Log", "--input", "4,8", "--steps", "3")
    assert status == 1
    assert "nan: log in the model gives" in said
    assert "(m.py:18)" in said
    assert "here.inputs[0]  float32[" in said
    assert "1 breakpoint was hit in 3 steps" in said


@pytest.mark.parametrize(
    ("arguments", "words"), [(["m.py:Wrong"], "shapes cannot be multiplied"), (["m.py:Net", "--loss", "m.py:loss"], "label")]
)
def test_an_exception_of_the_users(tmp_path, monkeypatch, capsys, arguments, words):
    status, said = debug(tmp_path, monkeypatch, capsys, *arguments, "--input", "4,8")
    assert status == 1
    assert words in said


def test_a_report_with_o(tmp_path, monkeypatch, capsys):
    arguments = ("m.py:Log", "--input", "4,8", "--steps", "3", "--budget", "0", "-o", "r.json", "-q")
    status, _ = debug(tmp_path, monkeypatch, capsys, *arguments)
    assert status == 1
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes())
    checks = [finding["check"] for finding in report["findings"]]
    assert "break-hit" in checks
    assert report["facts"]["breaks"][0]["operation"] == "log"
    assert report["facts"]["graph"]["nodes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.py:Net", "--input", "4,8", "--break-on", "nann"], "did you mean nan?"),
        (["m.py:Net", "--input", "4,8", "--break-on", "forward:fc9"], "did you mean forward:fc2?"),
        (["m.py:Net", "--input", "4,8", "--break-on", "finding:dead-rel"], "did you mean finding:dead-relu?"),
        (["m.py:Nett", "--input", "4,8"], "Net"),
        (["m.py:Broken", "--input", "4,8"], "not today"),
        (["m.py:Net"], "--input"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    status, said = debug(tmp_path, monkeypatch, capsys, *arguments)
    assert status == 2
    assert words in said
    assert len([line for line in said.splitlines() if not line.startswith("Try")]) == 1


def test_run_refuses_a_breakpoint_that_does_not_exist(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--break-on", "step:x", "train.py"])
    assert stop.value.code == 2
    assert "step:100" in capsys.readouterr().err


def test_run_without_a_terminal_makes_findings(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    (tmp_path / "train.py").write_text(
        "import torch, m\n"
        "net = m.Log()\n"
        "optimizer = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for _ in range(3):\n"
        "    optimizer.zero_grad()\n"
        "    net(torch.randn(4, 8)).sum().backward()\n"
        "    optimizer.step()\n"
        "print('through')\n"
    )
    command = [sys.executable, "-m", "nnreport", "run", "--no-look", "--break-on", "nan,step:2,finding:non-finite-weights"]
    command += ["-o", "r.json", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "through\n"
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes())
    hits = {hit["what"]: hit for hit in report["facts"]["breaks"]}
    location = hits["nan"]["location"]
    assert (location["path"], location["line"], location["text"]) == ("m.py", 18, "return self.fc2(torch.log(self.fc1(x)))")
    assert hits["step:2"]["step"] == 1
    found = [finding for finding in report["findings"] if finding["check"] == "break-hit"]
    assert [finding["severity"] for finding in found][:1] == ["error"]
    assert "NaN" in found[0]["evidence"]["here.output"]
