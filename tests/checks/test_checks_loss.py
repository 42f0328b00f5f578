"""Loss, labels and optimisation on facts written by hand."""

import math

import pytest
from probing import Experiments, Facts, OptimizerInfo, OutputInfo, TargetInfo, TensorInfo, held, net, probe, run, weight

from nnreport.facts import Failure, LossInfo, RateTrial

FLAT = [2.3] * 31
LONG = [2.3] * 300


def batch(*shape: int, dtype: str = "int64", **more: object) -> TargetInfo:
    return TargetInfo(tensor=TensorInfo(shape=list(shape), dtype=dtype), **more)


def wide(**more: object) -> Facts:
    return net([weight("a", 256, 256), weight("head", 10, 256)], **more)


def test_a_flat_loss_cannot_overfit_once_the_longer_run_agrees() -> None:
    (finding,) = run(
        "cannot-overfit", wide(probe=probe(FLAT, gradient_norms=[0.1] * 30), experiments=Experiments(longer_losses=LONG))
    )
    assert finding.severity == "error"
    made_up = probe(FLAT, user=False, gradient_norms=[0.1] * 30)
    (finding,) = run("cannot-overfit", wide(probe=made_up, experiments=Experiments(longer_losses=LONG)))
    assert finding.severity == "warning"


FALLS = [2.3 - 0.005 * i for i in range(300)]
SLOW = [2.3 - 0.003 * i for i in range(31)]


@pytest.mark.parametrize(
    ("losses", "trials", "more"),
    [
        (SLOW, Experiments(longer_losses=FALLS), {}),
        (SLOW, Experiments(), {}),  # no time for a longer run
        (FLAT, Experiments(longer_losses=LONG, second_seed=FALLS), {}),
        (FLAT, Experiments(longer_losses=LONG, higher_rate_losses=FALLS), {}),
        (FLAT, Experiments(longer_losses=LONG, rates=[RateTrial(factor=10, learning_rate=1, losses=FALLS)]), {}),
        (FLAT, Experiments(longer_losses=LONG, mean_losses=[2.3, 1.9]), {}),
        ([1e-5] * 31, Experiments(longer_losses=[1e-5] * 300), {}),
        ([0.5 - 0.02 * i for i in range(60)], Experiments(), {}),  # goes below zero
        (FLAT[:8], Experiments(longer_losses=LONG), {}),
        (FLAT, Experiments(longer_losses=LONG), {"target": batch(1 << 20)}),  # more to learn by heart than there are weights
        (FLAT, Experiments(longer_losses=LONG), {"eval_losses": [2.3, 1.8]}),  # dropout
    ],
)
def test_what_can_be_fitted_somehow_can_be_fitted(losses: list, trials: Experiments, more: dict) -> None:
    assert run("cannot-overfit", wide(probe=probe(losses, gradient_norms=[0.1] * 30, **more), experiments=trials)) == []


def test_a_checkpoint_or_a_stand_in_loss_says_nothing() -> None:
    trained = wide(probe=probe(FLAT), experiments=Experiments(longer_losses=LONG))
    trained.weights.fresh = False
    assert run("cannot-overfit", trained) == []
    stand_in = wide(probe=probe(FLAT, kind="surrogate"), experiments=Experiments(longer_losses=LONG))
    assert run("cannot-overfit", stand_in) == []


@pytest.mark.parametrize(
    ("losses", "severity"),
    [
        ([1.0, 5.0, 20.0, 80.0, 200.0, 900.0], "error"),
        ([1.0, 2.0, "inf", "nan"], "error"),
        ([1.0, 50.0, 20.0, 2.0, 0.9, 0.8, 0.7], None),  # a spike that comes down
        ([-0.5, -3.0, -9.0, -20.0], None),
        (["nan", "nan", "nan"], None),  # non-finite from the start
    ],
)
def test_a_loss_that_runs_away_and_stays_diverges(losses: list, severity: str | None) -> None:
    assert [each.severity for each in run("loss-diverges", Facts(probe=probe(losses)))] == ([severity] if severity else [])


WAVES = [1.0 + 0.4 * (-1) ** i for i in range(30)]


def test_a_loss_that_jumps_about_oscillates() -> None:
    (finding,) = run("loss-oscillates", Facts(probe=probe([1.6, *WAVES])))
    assert finding.severity == "warning"
    default = OptimizerInfo(name="Adam", learning_rate=1e-3)
    (finding,) = run("loss-oscillates", Facts(probe=probe([1.6, *WAVES], optimizer=default)))
    assert finding.severity == "note"


@pytest.mark.parametrize(
    "found",
    [
        probe([1.6, *WAVES], stochastic=True),
        probe([2.0 * 0.9**i for i in range(31)]),
        probe([100.0, *WAVES]),  # near zero against its start
        probe([5.0 - 0.1 * i + 0.05 * (-1) ** i for i in range(31)]),  # small against the progress
    ],
)
def test_dropout_and_progress_do_not_oscillate(found: object) -> None:
    assert run("loss-oscillates", Facts(probe=found)) == []


def test_rates_are_judged_by_counter_runs() -> None:
    worse = probe([1.0 + 0.2 * i for i in range(31)])
    calm = RateTrial(factor=0.1, learning_rate=0.01, losses=[1.0 - 0.02 * i for i in range(31)], steps=30)
    (finding,) = run("learning-rate-high", Facts(probe=worse, experiments=Experiments(rates=[calm])))
    assert finding.evidence["better_rate"] == 0.01
    (finding,) = run("learning-rate-high", Facts(probe=worse, experiments=Experiments(sharpness=200.0)))  # 0.1 > 2/200
    assert finding.evidence["limit"] == 0.01
    also_bad = RateTrial(factor=0.1, learning_rate=0.01, losses=[1.0] * 31, steps=30)
    assert run("learning-rate-high", Facts(probe=worse, experiments=Experiments(rates=[also_bad]))) == []
    learns = probe([1.0 - 0.01 * i for i in range(31)])
    assert run("learning-rate-high", Facts(probe=learns, experiments=Experiments(rates=[calm], sharpness=200.0))) == []
    default = probe([1.0 + 0.2 * i for i in range(31)], optimizer=OptimizerInfo(name="Adam", learning_rate=1e-3))
    assert run("learning-rate-high", Facts(probe=default, experiments=Experiments(rates=[calm]))) == []


def test_a_rate_is_low_only_where_the_loss_stands_still() -> None:
    faster = RateTrial(factor=100, learning_rate=10.0, losses=[2.3 - 0.05 * i for i in range(31)], steps=30)
    (finding,) = run("learning-rate-low", wide(probe=probe(FLAT), experiments=Experiments(rates=[faster])))
    assert finding.evidence["better_rate"] == 10.0
    assert run("learning-rate-low", wide(probe=probe(SLOW), experiments=Experiments(rates=[faster]))) == []
    no_better = RateTrial(factor=100, learning_rate=10.0, losses=FLAT, steps=30)
    assert run("learning-rate-low", wide(probe=probe(FLAT), experiments=Experiments(rates=[no_better]))) == []


FLOOR = math.log1p(9 / math.e)
BOUNDED = OutputInfo(tensor=TensorInfo(shape=[16, 10], dtype="float32"), range=held(0, 1), activation="mul")


def test_floors_name_their_cause() -> None:
    settled = [2.3 - 0.05 * i for i in range(15)] + [FLOOR * 1.003] * 25
    (finding,) = run("loss-floor", Facts(probe=probe(settled, output=BOUNDED)))
    assert finding.evidence["cause"] == "probabilities"
    assert run("loss-floor", Facts(probe=probe(settled))) == []  # logits: the number is chance
    moving = [2.3 - 0.025 * i for i in range(35)]
    assert run("loss-floor", Facts(probe=probe(moving, output=BOUNDED))) == []
    constant = probe([2.3 * 0.4**i for i in range(31)], target=batch(16, classes={"3": 16}))
    (finding,) = run("loss-floor", Facts(probe=constant))
    assert finding.evidence["cause"] == "labels"
    two = probe([2.3 * 0.4**i for i in range(31)], target=batch(16, classes={"3": 8, "4": 8}))
    assert run("loss-floor", Facts(probe=two)) == []
    (finding,) = run("loss-floor", Facts(probe=probe([0.7 - 0.1 * i for i in range(31)], kind="bce_with_logits")))
    assert finding.evidence["cause"] == "negative"
    assert run("loss-floor", Facts(probe=probe([0.7 - 0.1 * i for i in range(31)], kind="custom"))) == []


def broadcast(*shapes: list[int], user: bool = True) -> Facts:
    found = probe([1.0, 0.9, 0.9], kind="mse", user=user, target=batch(32, dtype="float32", variance=0.9))
    found.loss = LossInfo(name="mse_loss", kind="mse", user=True, source="given", broadcast=list(shapes))
    return Facts(probe=found)


def test_only_tables_that_nobody_asked_for_are_broadcast() -> None:
    (finding,) = run("loss-broadcast", broadcast([32, 1], [32]))
    assert finding.evidence["table"] == "(32, 32)"
    assert run("loss-broadcast", broadcast([32, 5], [5])) == []  # no larger than the prediction
    assert run("loss-broadcast", broadcast([32, 1], [1, 32])) == []  # pairs, on purpose
    assert run("loss-broadcast", broadcast([32, 1], [32], user=False)) == []
    assert run("loss-broadcast", broadcast()) == []


def test_imbalance_speaks_only_of_the_users_labels() -> None:
    rare = batch(200, classes={"0": 195, "1": 5})
    (finding,) = run("class-imbalance", Facts(probe=probe(FLAT, target=rare)))
    assert finding.severity == "note"
    assert run("class-imbalance", Facts(probe=probe(FLAT, target=rare, user=False))) == []
    assert run("class-imbalance", Facts(probe=probe(FLAT, target=batch(200, classes={"0": 120, "1": 80})))) == []
    assert run("class-imbalance", Facts(probe=probe(FLAT, target=batch(10, classes={"0": 10})))) == []


def test_self_labels_are_an_error_unless_the_loss_is_ones_own() -> None:
    (finding,) = run("self-labels", Facts(probe=probe(FLAT, target=batch(16, from_output=True))))
    assert finding.severity == "error"
    (finding,) = run("self-labels", Facts(probe=probe(FLAT, kind="custom", target=batch(16, from_output=True))))
    assert finding.severity == "warning"
    assert run("self-labels", Facts(probe=probe(FLAT, target=batch(16)))) == []


def test_a_loss_that_raises_is_named_once() -> None:
    shape = Failure(phase="loss", exception="RuntimeError", message="size mismatch, got 3 and 4")
    (finding,) = run("loss-error", Facts(probe=probe([]), failures=[shape]))
    assert "RuntimeError" in finding.message
    bounds = Failure(phase="loss", exception="IndexError", message="Target 7 is out of bounds.")
    assert run("loss-error", Facts(probe=probe([]), failures=[bounds])) == []
    labels = batch(16, range=held(1, 10))
    (finding,) = run("label-range", Facts(probe=probe([], target=labels), failures=[bounds]))
    assert "count from 1" in finding.why


def test_labels_that_the_loss_took_are_fine() -> None:
    ignored = batch(16, range=held(-100, 9))
    assert run("label-range", Facts(probe=probe(FLAT, target=ignored))) == []
    soft = TargetInfo(tensor=TensorInfo(shape=[16, 10], dtype="float32"), integral=True, range=held(0, 1))
    assert run("label-dtype", Facts(probe=probe(FLAT, target=soft))) == []
    assert run("label-range", Facts(probe=probe(FLAT, kind="bce_with_logits", target=soft))) == []


def distribution(axis: int) -> OutputInfo:
    shape = [16, 10] if axis == 1 else [16, 12, 10]
    return OutputInfo(
        tensor=TensorInfo(shape=shape, dtype="float32"), range=held(0, 1), sums_to_one=axis, activation="div", module="head"
    )


def test_a_hand_made_distribution_into_cross_entropy() -> None:
    (finding,) = run("softmax-with-cross-entropy", Facts(probe=probe(FLAT, output=distribution(1))))
    assert round(finding.evidence["floor"], 3) == 1.461
    sequence = probe(FLAT, output=distribution(2), target=batch(16, 12))
    assert len(run("softmax-with-cross-entropy", Facts(probe=sequence))) == 1
    file = probe(FLAT, output=distribution(1))
    file.loss = LossInfo(name="cross_entropy", kind="cross_entropy", source="file", functional=["cross_entropy"])
    (finding,) = run("softmax-with-cross-entropy", Facts(probe=file))
    assert finding.severity == "warning"
    assert run("softmax-with-cross-entropy", Facts(probe=probe(FLAT))) == []
    logs = OutputInfo(
        tensor=TensorInfo(shape=[16, 10], dtype="float32"), range=held(-5, -1), log_sums_to_one=1, activation="log_softmax"
    )
    assert run("softmax-with-cross-entropy", Facts(probe=probe(FLAT, output=logs))) == []
