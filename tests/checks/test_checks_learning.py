"""Did it learn? The verdict that other checks rest on."""

import pytest
from probing import Experiments, Facts, probe

from nnreport.checks.learning import fits, learning, relative_fall
from nnreport.checks.series import falling_share, figure, late, percent, slope_and_spread


@pytest.mark.parametrize(
    ("losses", "trials", "verdict"),
    [
        ([2.3 - 0.03 * i for i in range(31)], None, True),
        ([2.3] * 31, None, False),
        ([2.3] * 5, None, None),
        ([2.6] + [2.3] * 30, Experiments(baseline_loss=2.3), None),  # it may have learnt the labels' mean alone
        ([2.6] + [2.3] * 30, Experiments(baseline_loss=2.3, longer_losses=[2.6] + [2.29] * 300), False),
        ([2.6] + [2.3] * 30, Experiments(baseline_loss=2.3, longer_losses=[2.6 - 0.004 * i for i in range(300)]), True),
        (
            [0.7 - 0.005 * i for i in range(31)],
            Experiments(baseline_loss=0.2, longer_losses=[0.7 - 0.008 * i for i in range(40)]),
            None,
        ),
        ([2.3 - 0.05 * i for i in range(31)], Experiments(baseline_loss=2.3), True),
    ],
)
def test_a_net_learns_when_it_beats_the_best_constant(losses: list, trials: Experiments | None, verdict: bool | None) -> None:
    assert fits(Facts(probe=probe(losses), experiments=trials)) is verdict


def test_there_is_no_verdict_without_a_finite_start() -> None:
    assert learning(Facts()) is None
    assert learning(Facts(probe=probe(["nan", 1.0]))) is None


def test_a_run_that_ends_in_nan_has_no_fall() -> None:
    assert relative_fall([2.0, 1.0, "nan"]) is None
    assert relative_fall([2.0, 1.0, 1.0, 1.0]) == pytest.approx(0.5)


def test_how_numbers_are_read_and_shown() -> None:
    assert [figure(value) for value in (0, 0.01234, 1e-7, 4500, 28449.3, 2e7, 123.4)] == [
        "0",
        "0.0123",
        "1.00e-07",
        "4,500",
        "28,449",
        "2.00e+07",
        "123",
    ]
    assert [percent(value) for value in (1.0, 0.999, 0.5, 0.004, 0.0)] == ["100 %", "99.9 %", "50 %", "0.4 %", "0 %"]
    assert late([1, 2, 3, 4]) == [3, 4]
    assert falling_share([3, 2, 1, 2]) == pytest.approx(2 / 3)
    slope, spread = slope_and_spread([1.0, 2.0, 3.0, 4.0])
    assert (slope, spread) == (pytest.approx(1.0), pytest.approx(0.0))
