"""The front survives whatever the user's code does to the inspector: it keeps what arrived, says why, and leaves no process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

HEAD = "import os, sys, time, torch\nfrom torch import nn\n"
NET = HEAD + (
    "class Net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.fc = nn.Linear(4, 2)\n"
    "    def forward(self, x):\n"
    "        {}\n"
    "        return self.fc(x)\n"
)


def stage(report: dict, name: str) -> dict:
    return next(each for each in report["stages"] if each["name"] == name)


def inspectors_in(folder: Path) -> list[int]:
    """Inspector processes that work in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "nnreport.inspector" in (process.info["cmdline"] or []) and process.cwd() == str(folder):
                found.append(process.pid)
        except psutil.Error:
            pass
    return found


def test_a_crash_of_the_process_is_told_and_costs_nothing_gathered(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", files={"m.py": NET.format("os.kill(os.getpid(), 11)")})
    assert done.status == 0, done.err
    assert stage(done.report, "trace")["state"] == "killed"
    assert "segmentation fault" in stage(done.report, "trace")["error"]
    assert done.report["model"]["parameters"] == 10
    assert not inspectors_in(done.folder)


def test_os_exit_in_forward(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", files={"m.py": NET.format("print('last words', file=sys.stderr); os._exit(7)")})
    assert done.status == 0
    assert stage(done.report, "trace")["state"] == "killed"
    assert "status 7" in stage(done.report, "trace")["error"]
    assert "last words" in stage(done.report, "trace")["error"]


def test_sys_exit_in_forward(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", files={"m.py": NET.format("sys.exit('enough')")})
    assert done.status == 0
    assert any("sys.exit" in each["error"] and "enough" in each["error"] for each in done.report["stages"])


def test_an_endless_forward_meets_the_timeout(nnreport):
    start = time.monotonic()
    done = nnreport("m.py:Net", "--input", "1,4", "--timeout", "9", files={"m.py": NET.format("time.sleep(1e6)")})
    assert time.monotonic() - start < 20
    assert done.status == 0
    assert stage(done.report, "trace")["state"] == "timeout"
    assert "9 s" in stage(done.report, "trace")["error"]
    assert not inspectors_in(done.folder)


def test_the_memory_limit(nnreport):
    hungry = NET.format("self.hoard = [torch.ones(4_000_000) for _ in range(500) if time.sleep(0.01) is None]")
    done = nnreport("m.py:Net", "--input", "1,4", "--memory-limit", "900MB", files={"m.py": hungry})
    assert done.status == 0
    assert stage(done.report, "trace")["state"] == "killed"
    assert "--memory-limit" in stage(done.report, "trace")["error"]


def test_what_the_model_prints_stays_out_of_the_stream(nnreport):
    done = nnreport("m.py:Net", "--input", "1,4", "--no-probe", files={"m.py": NET.format("print('hello from forward')")})
    assert done.status == 0
    assert "hello from forward" in done.err
    assert "hello" not in done.out
    assert not [each for each in done.report["stages"] if each["state"] == "failed"]


def test_a_model_that_reads_standard_input_does_not_wait(nnreport):
    code = NET.format("sys.stdin.read()")
    done = nnreport("m.py:Net", "--input", "1,4", "--no-probe", files={"m.py": code}, timeout=60)
    assert done.status == 0
    assert stage(done.report, "trace")["state"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_makes_the_report_and_leaves_no_orphan(tmp_path, number):
    (tmp_path / "m.py").write_text(NET.format("open('here', 'w').close(); time.sleep(1e6)"))
    out = tmp_path / "out.json"
    front = subprocess.Popen(
        [sys.executable, "-m", "nnreport", "m.py:Net", "--input", "1,4", "-o", str(out)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    for _ in range(300):
        if (tmp_path / "here").exists():
            break
        time.sleep(0.1)
    os.kill(front.pid, number)
    front.communicate(timeout=30)
    assert out.exists()
    assert not inspectors_in(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the child asks the kernel to die with its parent")
def test_no_orphan_when_the_front_is_killed(tmp_path):
    (tmp_path / "m.py").write_text(NET.format("open('here', 'w').close(); time.sleep(1e6)"))
    front = subprocess.Popen(
        [sys.executable, "-m", "nnreport", "m.py:Net", "--input", "1,4"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    for _ in range(300):
        if (tmp_path / "here").exists():
            break
        time.sleep(0.1)
    front.kill()
    front.communicate(timeout=10)
    time.sleep(2)
    assert not inspectors_in(tmp_path)
