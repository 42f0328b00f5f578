"""What is told of the machine, and what is not."""

from __future__ import annotations

import getpass
import os
import platform
import re

import pytest
import torch

from nnreport.errors import UsageError
from nnreport.inspector import device as devices
from nnreport.inspector.device import choose_device
from nnreport.inspector.environment import now, read_environment, shown_command, without_folders
from nnreport.job import Job


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("nnreport model.py:Net --input 1,784", "nnreport model.py:Net --input 1,784"),
        ("nnreport /home/me/nets/a.py:Net -o /tmp/x.html", "nnreport a.py:Net -o x.html"),
        ("nnreport '/home/me/my nets/a.py:Net(3)'", "nnreport 'a.py:Net(3)'"),
        ("nnreport a.py:N --data=/home/me/d.py:f", "nnreport a.py:N --data=d.py:f"),
        ("nnreport a.py:N --input x=@/home/me/x.pt", "nnreport a.py:N --input x=@x.pt"),
        ("nnreport ~/nets/a.py:N", "nnreport a.py:N"),
        ("nnreport sub/a.py:N --data ../d.py:f", "nnreport sub/a.py:N --data ../d.py:f"),
    ],
)
def test_folders_are_left_out_of_the_command(command: str, shown: str) -> None:
    assert shown_command(command) == shown


def test_windows_paths() -> None:
    assert without_folders(r"C:\Users\me\a.py:Net") == "a.py:Net"


def test_an_unpaired_quote_does_no_harm() -> None:
    assert "/home/me" not in shown_command("nnreport '/home/me/a.py")


def test_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    job = Job(target="a.py:N", seed=5, command=f"nnreport {os.getcwd()}/a.py:N")
    found = read_environment(job, choose_device("cpu"))
    assert found.time == "1970-01-02T00:00:00Z"
    assert found.torch == torch.__version__
    assert (found.seed, found.command, found.device) == (5, "nnreport a.py:N", "cpu")
    assert found.memory > 1e8
    assert found.packages["numpy"]
    text = repr(found)
    assert os.getcwd() not in text
    assert platform.node() not in text or len(platform.node()) < 3
    assert getpass.getuser() == "root" or getpass.getuser() not in text


def test_the_time_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "no number")
    assert now() > "2020"


def test_the_cpu_says_why() -> None:
    assert choose_device("cpu").reason == "The CPU, as asked for."
    assert choose_device("cpu").name


def with_accelerators(monkeypatch: pytest.MonkeyPatch, *seen: str) -> None:
    monkeypatch.setattr(devices, "accelerators", lambda: list(seen))
    monkeypatch.setattr(devices, "device_name", lambda name: f"the {name}")


@pytest.mark.parametrize(
    ("seen", "wanted", "device", "reason"),
    [
        ((), "auto", "cpu", "this torch sees no accelerator here"),
        (("cuda:0",), "auto", "cuda:0", "the only accelerator here"),
        (("cuda:0", "cuda:1"), "auto", "cuda:0", "the first of 2 accelerators"),
        (("mps",), "auto", "mps", "the only accelerator"),
        (("xpu:0", "mps"), "auto", "xpu:0", "the first of 2"),
        (("cuda:0", "cuda:1"), "cuda:1", "cuda:1", "as asked for"),
        (("cuda:0",), "CUDA", "cuda:0", "as asked for"),
        (("mps",), "mps", "mps", "as asked for"),
    ],
)
def test_choice(monkeypatch: pytest.MonkeyPatch, seen: tuple[str, ...], wanted: str, device: str, reason: str) -> None:
    with_accelerators(monkeypatch, *seen)
    choice = choose_device(wanted)
    assert (choice.device, choice.devices) == (device, list(seen))
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("seen", "wanted", "line"),
    [
        ((), "cuda", "--device cuda is not there; this machine"),
        (("cuda:0",), "cuda:3", "has cpu, cuda:0"),
        (("cuda:0",), "mps", "is not there"),
        ((), "tpu", "no such device; write auto, cpu, cuda, cuda:1, mps or xpu"),
        ((), "cuda:one", "no such device"),
        ((), "cpu:7", "is not there"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, seen: tuple[str, ...], wanted: str, line: str) -> None:
    with_accelerators(monkeypatch, *seen)
    with pytest.raises(UsageError) as caught:
        choose_device(wanted)
    assert line in str(caught.value)
