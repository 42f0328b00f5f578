"""What the machine can do is measured once, remembered, and never a reason to fail."""

from __future__ import annotations

import time

import pytest
import torch

from nnreport.inspector.profiling import machine
from nnreport.inspector.profiling.machine import cache_file, key_of, measure_machine, read

CPU = torch.device("cpu")


def wait() -> None:
    pass


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_plausible_numbers_within_the_time():
    start = time.perf_counter()
    found = measure_machine(CPU, wait)
    assert time.perf_counter() - start < 5
    assert 1e8 < found.flops < 1e16
    assert 1e7 < found.bandwidth < 1e14
    assert found.device


def test_a_second_time_is_read_not_measured(monkeypatch):
    first = measure_machine(CPU, wait)
    monkeypatch.setattr(machine, "matrix_flops", lambda *_: 1 / 0)
    assert measure_machine(CPU, wait) == first


def test_again_keeps_the_larger(monkeypatch):
    monkeypatch.setattr(machine, "matrix_flops", lambda *_: 5.0)
    monkeypatch.setattr(machine, "copy_bandwidth", lambda *_: 7.0)
    measure_machine(CPU, wait)
    monkeypatch.setattr(machine, "matrix_flops", lambda *_: 4.0)
    monkeypatch.setattr(machine, "copy_bandwidth", lambda *_: 9.0)
    again = measure_machine(CPU, wait, again=True)
    assert (again.flops, again.bandwidth) == (5.0, 9.0)


def test_other_threads_are_another_machine():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = key_of(CPU)
        torch.set_num_threads(2)
        assert key_of(CPU) != one
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}', '{"x": {"flops": "a"}}'])
def test_a_broken_file_is_measured_over(text, monkeypatch):
    monkeypatch.setattr(machine, "matrix_flops", lambda *_: 5.0)
    monkeypatch.setattr(machine, "copy_bandwidth", lambda *_: 7.0)
    cache_file().parent.mkdir()
    cache_file().write_text(text)
    assert measure_machine(CPU, wait).flops == 5.0
    assert read(cache_file())[key_of(CPU)].bandwidth == 7.0


def test_a_folder_that_cannot_be_made_is_no_matter(folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    assert measure_machine(CPU, wait).flops > 0
