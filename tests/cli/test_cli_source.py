"""``nnreport source``: many files, one line a finding, nothing run, silence where there is nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnreport.sourcecheck import check_files

SICK = """\
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        self.seen.append(x)
        return F.dropout(self.fc(x)){note}


raise SystemExit("nobody may run this")
"""
SILENT = {
    "empty.py": "",
    "proxy.py": "class Proxy:\n    def forward(self, x):\n        self.seen.append(x)\n",
    "flax_net.py": "from flax import linen as nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        self.a = 1\n",
    "gradient.py": "import torch\n\n\nclass Step(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
    "        return torch.from_numpy(x.numpy())\n",
    "plain.py": "import torch\n\n\nclass Mail:\n    def forward(self, letter):\n        self.sent.append(letter.detach())\n",
    "data.bin": "\x00\x01 torch class ",
    "old.py": "print 'no Python 3'\n",
}


@pytest.fixture
def source(nnreport):
    """``nnreport source``, with no JSON asked for."""

    def run(*arguments, files=None):
        return nnreport("source", *arguments, files=files, json_report=False)

    return run


def test_a_line_a_finding_like_a_compilers(source):
    done = source("a/net.py", files={"a/net.py": SICK.format(note="")})
    assert done.status == 1
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0] == "a/net.py:8:9: error[missing-super-init] __init__ of Net never calls super().__init__()"
    assert lines[1].startswith("    fix: ")
    assert lines[2].startswith("a/net.py:11:9: warning[state-in-forward] Net.forward adds to self.seen")
    assert lines[4].startswith("a/net.py:12:9: error[functional-dropout] Net.forward calls F.dropout")
    assert len(lines) == 6


def test_files_without_modules_are_passed_over_in_silence(source):
    done = source(*SILENT, files=SILENT)
    assert (done.status, done.out, done.err) == (0, "", "")


def test_what_speaks_of_torch_and_does_not_parse_is_named(source):
    done = source("new.py", "net.py", files={"new.py": "import torch\nclass A(:\n", "net.py": SICK.format(note="")})
    assert "nnreport: new.py is not valid Python (line 2: " in done.err
    assert "net.py:8:9" in done.out
    assert source("new.py").status == 0, "another hook's business"


def test_a_line_is_silenced_and_a_project_configured(source):
    silenced = SICK.format(note="  # nnreport: ignore[functional-dropout]")
    assert "functional-dropout" not in source("net.py", files={"net.py": silenced}).out
    table = '[tool.nnreport]\nsteps = 5\nignore = ["missing-super-init", "functional-dropout"]\nfail-on = "{}"\n'
    files = {"net.py": SICK.format(note=""), "pyproject.toml": table.format("error")}
    done = source("net.py", files=files)
    assert done.status == 0
    assert "missing-super-init" not in done.out
    assert "warning[state-in-forward]" in done.out
    assert source("net.py", "--fail-on", "warning").status == 1, "the command line is stronger"
    assert source("net.py", files={"pyproject.toml": table.format("new-error")}).status == 1, "what it does not know is no wish"


def test_checks_are_chosen(source):
    files = {"net.py": SICK.format(note="")}
    assert "dropout" not in source("net.py", "--select", "missing-super-init", files=files).out
    assert source("net.py", "--ignore", "source").status == 0
    assert source("net.py", "--select", "missing-super-innit").status == 2


def test_a_folder_without_what_is_not_the_users(source):
    sick = SICK.format(note="")
    names = [".venv/lib/net.py", "site-packages/net.py", "nets/net.py"]
    done = source(".", "nets/net.py", files=dict.fromkeys(names, sick))
    assert done.out.count("missing-super-init") == 1
    assert source("nothing").status == 0
    assert source().status == 2


def test_annotations(source, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    done = source("net.py", "--format", "github", files={"net.py": SICK.format(note=""), ".git/HEAD": ""})
    assert done.status == 1
    assert done.out.startswith("::error file=net.py,line=8,title=nnreport missing-super-init::")


def test_names_cannot_act_on_the_terminal(tmp_path):
    text = SICK.format(note="").replace("Net", "Netz\u0421\u0435\u0442\u044c网")
    (tmp_path / "网.py").write_text(text, encoding="utf-8")
    (found,) = check_files([tmp_path / "网.py"])
    assert "网" in found.findings[0].message
    assert found.columns == [9, 9, 9]


def test_a_hundred_files_in_two_seconds_and_no_torch(tmp_path: Path):
    method = "    def block{0}(self, x):\n        y = self.fc(x)\n        return F.relu(y) if self.training else y\n\n"
    big = "class Big(nn.Module):\n" + "".join(map(method.format, range(40)))
    for i in range(100):
        (tmp_path / f"net{i}.py").write_text(SICK.format(note="") + big)
    start = time.process_time()
    assert len(list(check_files(sorted(tmp_path.iterdir())))) == 100
    assert time.process_time() - start < 2
    code = (
        "import sys\nfrom nnreport.cli.main import main\n"
        f"try: main(['source', {str(tmp_path)!r}])\nexcept SystemExit as stop: print('STATUS', stop.code)\n"
        "print('HEAVY', sorted(set(sys.modules) & {'torch', 'jinja2', 'weasyprint', 'numpy'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "STATUS 1" in done.stdout
    assert "HEAVY []" in done.stdout
