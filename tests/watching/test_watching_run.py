"""``nnreport run`` on scripts that end in every way: as without nnreport, and with a report."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

TRAIN = """
import sys, os, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
x = torch.randn(64, 6); y = (x @ torch.randn(6, 3)).argmax(1)
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
losses = []
def train(steps):
    for _ in range(steps):
        opt.zero_grad(); loss = F.cross_entropy(net(x), y); loss.backward(); opt.step(); losses.append(loss.item())
"""
AS_MAIN = (
    TRAIN
    + """
import argparse, pickle
class Setting:
    rate = 0.1
if __name__ == "__main__":
    parser = argparse.ArgumentParser(); parser.add_argument("--steps", type=int); options = parser.parse_args()
    train(options.steps)
    print(__file__, sys.argv, sys.path[0], __spec__, type(pickle.loads(pickle.dumps(Setting()))), input())
    print([value.hex() for value in losses], torch.rand(1).item().hex())
    sys.exit(3)
"""
)


def alive(tag: str) -> list[str]:
    """Processes, zombies left out, that carry ``tag`` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if tag.encode() in (process / "environ").read_bytes() and ") Z " not in (process / "stat").read_text():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


class Ran:
    """A script, run in ``folder`` with ``nnreport run`` (or bare), with its report."""

    def __init__(self, folder: Path, *arguments: str, bare: bool = False, text: str = "", stdin: str = "words\n", **more: str):
        if text:
            (folder / "train.py").write_text(text)
        self.out = folder / "out.json"
        self.out.unlink(missing_ok=True)
        self.tag = f"NNREPORT_TEST={uuid.uuid4().hex}"
        command = [sys.executable, *(() if bare else ("-m", "nnreport", "run", "--no-look", "-o", str(self.out))), *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "NNREPORT_TEST": self.tag.partition("=")[2], **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.stdin = stdin

    def end(self) -> "Ran":
        self.stdout, self.stderr = self.process.communicate(self.stdin, timeout=120)
        self.status = self.process.returncode
        self.report = json.loads(self.out.read_text()) if self.out.exists() else None
        self.facts = self.report["facts"] if self.report else {}
        assert not alive(self.tag), "an orphan is left"
        return self

    def wait_for(self, word: str) -> None:
        line = self.process.stdout.readline()
        assert word in line


def bad(ran: Ran) -> list[str]:
    return [f["check"] for f in ran.report["findings"] if f["severity"] != "note"]


def test_a_script_runs_as_with_python(tmp_path):
    bare = Ran(tmp_path, "train.py", "--steps", "12", text=AS_MAIN, bare=True).end()
    ran = Ran(tmp_path, "train.py", "--steps", "12").end()
    assert bare.status == ran.status == 3
    assert ran.stdout == bare.stdout
    assert ran.facts["run"]["steps"] == 12
    assert ran.facts["run"]["arguments"] == ["--steps", "12"]
    assert ran.facts["run"]["status"] == 3
    assert bad(ran) == []


@pytest.mark.parametrize(
    ("end", "status", "check"),
    [
        ("train(9); print('last', flush=True); os._exit(5)", 5, None),
        ("train(9); print('last', flush=True); raise ValueError('in the middle')", 1, "script-error"),
        (
            "import time\nfor _ in range(60): train(1); time.sleep(0.1)\nprint('last', flush=True); os.kill(os.getpid(), 9)",
            137,
            None,
        ),
        ("import threading; t = threading.Thread(target=train, args=(9,)); t.start(); t.join(); print('last')", 0, None),
    ],
    ids=["os._exit", "exception", "killed", "thread"],
)
def test_however_it_ends_there_is_a_report(end, status, check, tmp_path):
    ran = Ran(tmp_path, "train.py", text=TRAIN + end).end()
    assert ran.status == status
    assert ran.stdout == "last\n"
    assert ran.facts["run"]["steps"] >= (2 if status == 137 else 9)  # a killed script told of itself only now and then
    assert ran.facts["run"]["status"] == status
    assert len(ran.facts["run"]["losses"]["values"]) == ran.facts["run"]["steps"]
    assert bad(ran) == ([check] if check else [])
    if check:
        assert "ValueError: in the middle" in ran.stderr
        assert "scriptchild" not in ran.stderr  # the traceback is the script's own


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_is_the_scripts_to_answer(number, status, tmp_path):
    answer = """
import time
train(9)
print("waiting", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    ran = Ran(tmp_path, "train.py", text=TRAIN + answer)
    ran.wait_for("waiting")
    if number == signal.SIGINT:  # as the terminal does
        os.killpg(ran.process.pid, number)
    else:
        ran.process.send_signal(number)
    ran.end()
    assert ran.status == status
    assert ran.stdout == ("stopped\n" if number == signal.SIGINT else "")
    assert ran.facts["run"]["steps"] > 0
    assert bad(ran) == []


def test_a_script_that_fails_before_it_imports_torch(tmp_path):
    ran = Ran(tmp_path, "train.py", text="print('so far')\nimport nonesuch\n").end()
    assert (ran.status, ran.stdout) == (1, "so far\n")
    assert "ModuleNotFoundError" in ran.stderr
    assert bad(ran) == ["script-error"]
    assert ran.facts["failures"][0]["location"]["line"] == 2
    assert "The script never imported torch." in ran.facts["notes"]


def test_a_module_with_workers_leaves_no_orphan(tmp_path):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text("from torch import nn\nclass Net(nn.Linear): pass\n")
    (package / "train.py").write_text(
        """
import torch, sys
from torch.utils.data import DataLoader, TensorDataset
from .parts import Net
if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(64, 6); y = (x.sum(1) > 0).long()
    net = Net(6, 2); opt = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        for a, b in DataLoader(TensorDataset(x, y), 8, shuffle=True, num_workers=2):
            opt.zero_grad(); torch.nn.functional.cross_entropy(net(a), b).backward(); opt.step()
    print(__package__, sys.argv[1:])
"""
    )
    ran = Ran(tmp_path, "-m", "pack.train", "--lr", "1").end()
    assert (ran.status, ran.stdout) == (0, "pack ['--lr', '1']\n")
    run = ran.facts["run"]
    assert [(m["name"], m["variable"]) for m in run["models"]] == [("Net", "net")]
    assert [(each["batches"], each["workers"], each["training"]) for each in run["loaders"]] == [(8, 2, True), (8, 2, True)]
    assert bad(ran) == []


def test_a_script_that_does_not_train_says_what_was_seen(tmp_path):
    text = """
import subprocess, sys, torch
nets = [torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU())]
for _ in range(6):
    nets[1](nets[0](torch.randn(2, 4))).sum().backward()
subprocess.run([sys.executable, "-c", "import time; time.sleep(1.5)"])
"""
    ran = Ran(tmp_path, "train.py", text=text).end()
    assert ran.status == 0
    lines = [line for line in ran.stderr.splitlines() if line.startswith("nnreport: ")]
    assert lines == [
        "nnreport: The script made no optimizer step: 2 models were called (Linear, Sequential), 6 backward passes, no optimizer "
        "was made.",
        "nnreport: A child process was started; nnreport watches the script's own process only. With torchrun put nnreport "
        "behind it: torchrun --nproc-per-node 2 -m nnreport run train.py",
    ]
    assert ran.facts["run"]["children"] == 1
    assert [line.removeprefix("nnreport: ") for line in lines] == ran.facts["run"]["seen"] == ran.facts["notes"]
    assert ran.report["model"]["name"] == "Linear"  # the largest that was called
    assert bad(ran) == []


@pytest.mark.parametrize(
    ("words", "better"),
    [
        ("torchrun --nproc-per-node 2 train.py --lr 1", "torchrun --nproc-per-node 2 -m nnreport run train.py --lr 1"),
        ("accelerate launch --cpu -m pack.train", "accelerate launch --cpu -m nnreport run -m pack.train"),
        ("-m torch.distributed.run train.py", "torchrun -m nnreport run train.py"),
        ("mpirun -n 2 python train.py", "mpirun -n 2 python -m nnreport run train.py"),
        ("python -u train.py 1", "nnreport run train.py 1"),
        ("deepspeed", "deepspeed --module nnreport run train.py"),
    ],
)
def test_a_launcher_in_the_scripts_place_is_told_how_to_spell_it(words, better):
    from click.testing import CliRunner

    from nnreport.cli.run import command
    from nnreport.errors import UsageError

    done = CliRunner().invoke(command, words.split(), standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).endswith(f"starts other processes; put nnreport behind it: {better}")


RANKS = """
import os, sys, torch, torch.nn as nn, torch.nn.functional as F, torch.distributed as dist
dist.init_process_group("gloo", init_method=f"file://{os.getcwd()}/meet", rank=int(os.environ["RANK"]), world_size=2)
torch.manual_seed(0)
net = nn.Linear(6, 3); wrapped = net if sys.argv[1:] else nn.parallel.DistributedDataParallel(net)
opt = torch.optim.SGD(wrapped.parameters(), lr=0.1)
torch.manual_seed(dist.get_rank())
for _ in range(12):
    x = torch.randn(32, 6); opt.zero_grad(); F.cross_entropy(wrapped(x), x[:, :3].argmax(1)).backward(); opt.step()
print(dist.get_rank()); dist.barrier(); dist.destroy_process_group()
"""


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_first_of_two_processes_reports_on_both(forgotten, tmp_path):
    names = {"WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": uuid.uuid4().hex, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    arguments = ["train.py", *(["alone"] if forgotten else [])]
    second = Ran(tmp_path, *arguments, text=RANKS, RANK="1", **names)
    first = Ran(tmp_path, *arguments, RANK="0", **names)
    second.out = tmp_path / "none.json"
    first.end()
    second.end()
    assert (first.status, first.stdout, second.status, second.stdout) == (0, "0\n", 0, "1\n")
    run = first.facts["run"]
    assert [rank["rank"] for rank in run["ranks"]] == [0, 1]
    assert [rank["steps"] for rank in run["ranks"]] == [12, 12]
    assert run["world"] == 2
    assert run["ranks"][0]["losses"] != run["ranks"][1]["losses"]
    same = run["ranks"][0]["gradient_norms"] == run["ranks"][1]["gradient_norms"]
    assert same is not forgotten
    assert (run["ranks"][0]["weights"] == run["ranks"][1]["weights"]) is not forgotten
    assert bad(first) == (["rank-mismatch"] if forgotten else [])
    assert not second.stderr
