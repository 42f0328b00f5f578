"""The debugger itself, through a pseudo-terminal: where it opens, what its commands do, and how it ends."""

import importlib.util
import os
import sys

import pexpect
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or importlib.util.find_spec("ipdb") is not None, reason="drives pdb's own prompt on a pseudo-terminal"
)

SCRIPT = """\
import sys
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.fc2 = nn.Linear(8, 1)
        self.calls = 0

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        self.calls += 1
        if self.calls == 6:
            x = torch.log(x - 1.0)
        return self.fc2(x)


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(7):
    x = torch.randn(16, 4)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(net(x), torch.zeros(16, 1))
    loss.backward()
    optimizer.step()
print("calls", net.calls, "show" in dir(__builtins__))
sys.exit(3)
"""
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


class Wrong(Net):
    def forward(self, x):
        h = torch.relu(self.fc1(x))
        return self.fc2(h[:, :7])
"""
PROMPT = r"\(Pdb\) "


class Terminal:
    """A command on a pseudo-terminal of 120 columns."""

    def __init__(self, folder, *arguments):
        (folder / "train.py").write_text(SCRIPT)
        (folder / "model.py").write_text(MODEL)
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "nnreport", *arguments],
            cwd=str(folder),
            env={**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"},
            timeout=120,
            encoding="utf-8",
            dimensions=(40, 120),
        )

    def prompt(self) -> str:
        """What was printed up to the next prompt."""
        self.child.expect(PROMPT)
        return str(self.child.before)

    def type(self, line: str) -> str:
        """What a command prints."""
        self.child.sendline(line)
        return self.prompt()

    def end(self, line: str) -> tuple[str, int]:
        """(what is printed to the end, exit status)."""
        self.child.sendline(line)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return str(self.child.before), self.child.exitstatus


def test_a_script_stops_in_its_own_forward_and_goes_on(tmp_path):
    terminal = Terminal(
        tmp_path, "run", "--no-look", "--break-on", "nan", "--break-on", "backward:fc1,step:3", "-o", "r.json", "train.py"
    )
    said = terminal.prompt()
    assert "backward:fc1: the backward pass comes to fc1 (Linear)" in said
    assert "loss.backward()" in said
    assert "torch.Size([16, 8])" in terminal.type("p here.gradient.shape")
    said = terminal.type("c")
    assert "step:3: step 3 of optimizer is about to be made" in said
    assert "-> optimizer.step()" in said
    assert "here.gradients['fc1.weight']" in said
    said = terminal.type("c")
    assert "nan: log in the model gives" in said
    assert "after 5 optimizer steps" in said
    assert "train.py(17)forward()" in said
    assert "-> x = torch.log(x - 1.0)" in said
    assert "torch.Size([16, 8])" in terminal.type("p x.shape")
    drawn = terminal.type("show(x)")
    assert "float32[16, 8]" in drawn
    assert "N NaN" in drawn
    assert "calls" not in terminal.type("tensors")
    assert "nan will stop again" in terminal.type("again")
    assert "disabled: nan" in terminal.type("off")
    stack = terminal.type("w")
    assert "<module>()" in stack
    assert "scriptchild" not in stack
    assert "-> return self.fc2(x)" in terminal.type("n")
    assert "True" in terminal.type("p bool(x.isnan().any())")
    said, status = terminal.end("c")
    assert "calls 7 False" in said
    assert status == 3
    assert (tmp_path / "r.json").exists()


def test_quitting_ends_the_script_and_the_report_is_written(tmp_path):
    terminal = Terminal(tmp_path, "run", "--no-look", "--break-on", "forward:.", "-o", "r.json", "train.py")
    said = terminal.prompt()
    assert "-> def forward(self, x):" in said
    assert "x = torch.relu(self.fc1(x))" in terminal.type("n")
    said, status = terminal.end("q")
    assert status == 130
    assert "Traceback" not in said
    assert "calls" not in said
    assert "break-hit" in said
    assert (tmp_path / "r.json").exists()


def test_debug_opens_an_exception_in_the_users_innermost_frame(tmp_path):
    terminal = Terminal(tmp_path, "debug", "model.py:Wrong", "--input", "4,8")
    said = terminal.prompt()
    assert "mat1 and mat2 shapes cannot be multiplied (4x7 and 16x3)" in said
    assert "-> return self.fc2(h[:, :7])" in said
    assert "torch.Size([4, 16])" in terminal.type("p h.shape")
    said, status = terminal.end("c")
    assert status == 1
    assert "ended after 0 steps: RuntimeError" in said


def test_debug_stops_in_the_training_loop_where_nothing_of_the_users_runs(tmp_path):
    terminal = Terminal(tmp_path, "debug", "model.py:Net", "--input", "4,8", "--break-on", "backward:fc1")
    assert "-> loss.backward()" in terminal.prompt()
    stack = terminal.type("w")
    assert "train()" in stack
    assert "pipeline" not in stack
    assert "tensor(" in terminal.type("p loss")
    said, status = terminal.end("c")
    assert "1 breakpoint was hit in 30 steps" in said
    assert status == 0
