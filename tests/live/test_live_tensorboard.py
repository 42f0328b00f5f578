"""The series for TensorBoard: every value once, under tags that a reader finds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sample_reports import watched
from sample_runs import run_of

from nnreport.errors import UsageError
from nnreport.events import DoneEvent, FactEvent
from nnreport.live.tensorboard import TensorBoard


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found: dict[str, list[tuple[int, float]]] = {}
    for file in folder.iterdir():
        for event in loader.LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_every_value_is_written_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = TensorBoard(str(tmp_path / "logs"))
    run = run_of()
    board.event(FactEvent(run=run))
    board.event(FactEvent(run=run, probe=watched().facts.probe))
    run.losses.steps.append(400)
    run.losses.values.append("nan")
    board.event(FactEvent(run=run))
    board.event(DoneEvent())
    board.close()
    found = points(tmp_path / "logs")
    assert [step for step, _ in found["loss/training"]] == list(range(401))
    assert found["loss/training"][-1][1] != found["loss/training"][-1][1]
    assert len(found["loss/validation"]) == 8
    assert set(found) >= {"learning rate/opt_g", "learning rate/opt_d", "loss/opt_d", "gradient rms/fc1.weight"}


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'nnreport\[tensorboard\]'"):
        TensorBoard(str(tmp_path))


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written to"):
        TensorBoard(str(tmp_path / "file" / "logs"))
