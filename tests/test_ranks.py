"""How the processes of a distributed run meet."""

import os
import time

import pytest

from nnreport import ranks
from nnreport.facts import RankRun, Run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "meet"


def run(rank):
    return Run(rank=rank, ranks=[RankRun(rank=rank, steps=10 + rank)])


def test_all_that_was_handed_over_comes_together_in_order_and_the_folder_goes(folder):
    for rank in (2, 1):
        ranks.hand_over(run(rank), rank, folder)
    first = run(0)
    assert ranks.bring_together(first, 3, folder) == []
    assert [(each.rank, each.steps) for each in first.ranks] == [(0, 10), (1, 11), (2, 12)]
    assert not folder.exists()


def test_nobody_waits_long_for_one_that_died(folder):
    ranks.hand_over(run(2), 2, folder)
    first = run(0)
    start = time.monotonic()
    assert ranks.bring_together(first, 4, folder, patience=0.2) == [1, 3]
    assert time.monotonic() - start < 2
    assert [each.rank for each in first.ranks] == [0, 2]


def test_one_that_saw_nothing_says_so_at_once(folder):
    ranks.hand_over(None, 1, folder)
    first = run(0)
    assert ranks.bring_together(first, 2, folder, patience=0) == []
    assert first.ranks[1].steps == 0


def test_what_an_earlier_run_left_is_not_read(folder):
    ranks.hand_over(run(1), 1, folder)
    os.utime(folder / "1.json", (time.time() - 3600,) * 2)
    first = run(0)
    assert ranks.bring_together(first, 2, folder, patience=0.1) == [1]
    (folder.parent / "meet").mkdir()
    (folder / "1.json").write_text("{no json")
    assert ranks.bring_together(first, 2, folder, patience=0.1) == [1]


def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path):
    (tmp_path / "file").touch()
    ranks.hand_over(run(1), 1, tmp_path / "file" / "meet")
    (tmp_path / "link").symlink_to(tmp_path)
    ranks.hand_over(run(1), 1, tmp_path / "link")  # somebody else's choice of a place
    assert not (tmp_path / "1.json").exists()


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({}, (0, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, (1, 2)),
        ({"RANK": "x", "WORLD_SIZE": "2"}, (0, 1)),
        ({"RANK": "5", "WORLD_SIZE": "2"}, (0, 1)),
    ],
)
def test_the_rank_is_what_the_launcher_says(environment, answer):
    assert ranks.rank_and_world(environment) == answer


def test_runs_beside_each_other_meet_apart():
    def place(**names):
        return ranks.meeting_place(names)

    one = place(TORCHELASTIC_RUN_ID="a/../b", MASTER_ADDR="localhost", MASTER_PORT="29500")
    assert one == place(TORCHELASTIC_RUN_ID="a/../b", MASTER_ADDR="localhost", MASTER_PORT="29500", RANK="1")
    assert one.parent == place().parent
    others = {
        place(TORCHELASTIC_RUN_ID="a/../b", MASTER_ADDR="localhost", MASTER_PORT="29501"),
        place(TORCHELASTIC_RUN_ID="c", MASTER_ADDR="localhost", MASTER_PORT="29500"),
        place(TORCHELASTIC_RUN_ID="a/../b", MASTER_ADDR="localhost", MASTER_PORT="29500", TORCHELASTIC_RESTART_COUNT="1"),
    }
    assert len(others | {one}) == 4
