"""Numbers: what is a change, what is noise, and what cannot be compared."""

import copy
from collections.abc import Callable

import pytest
from sample_reports import medium, no_probe, small, weights_only

from nnreport.compare.compare import compare
from nnreport.compare.noise import LOSS, TIME, TIME_ALONE, loss_changed, time_changed
from nnreport.facts import Stage
from nnreport.finding import Outcome
from nnreport.report import Report


def pair(change: Callable[[Report], None]) -> tuple[Report, Report]:
    old, new = small(), small()
    change(new)
    return old, new


def state(old: Report, new: Report, name: str) -> str:
    quantity = compare(old, new).quantity(name)
    assert quantity is not None
    return quantity.state


def test_one_report_against_itself():
    comparison = compare(small(), small())
    assert {each.state for each in comparison.quantities} <= {"same", "unknown"}
    assert not comparison.settings
    assert not comparison.changed
    assert comparison.machine == pytest.approx(1)


def test_counts_have_no_noise():
    def one_more(report: Report) -> None:
        report.model.parameters += 1

    assert state(*pair(one_more), "parameters") == "changed"


@pytest.mark.parametrize(("factor", "wanted"), [(1.01, "noise"), (1.1, "changed")])
def test_memory_is_rounded_by_allocators(factor: float, wanted: str):
    def grow(report: Report) -> None:
        report.facts.profile.peak_memory = int(report.facts.profile.peak_memory * factor)

    assert state(*pair(grow), "peak_memory") == wanted


def slower(report: Report, step: float, layers: float) -> None:
    profile = report.facts.profile
    profile.step, profile.throughput = profile.step * step, profile.throughput / step
    for cost in profile.modules:
        cost.forward, cost.backward = cost.forward * layers, cost.backward * layers


@pytest.mark.parametrize(
    ("step", "layers", "wanted"),
    [
        (3.0, 3.0, "noise"),  # the machine was busy
        (0.4, 0.4, "noise"),
        (1.2, 1.0, "noise"),
        (2.0, 1.0, "changed"),  # the layers took as long as before: it is the model
        (0.5, 1.0, "changed"),
        (1.1, 2.0, "noise"),  # as long as before on a busier machine: a reader would see no difference
    ],
)
def test_time_is_judged_after_what_the_machine_did(step: float, layers: float, wanted: str):
    old, new = small(), small()
    for report in (old, new):
        profile = report.facts.profile
        profile.step = 1.2 * sum(cost.forward + cost.backward for cost in profile.modules)
    slower(new, step, layers)
    assert state(old, new, "step") == wanted
    assert state(old, new, "throughput") == wanted


def test_layers_that_are_a_small_part_of_the_step_do_not_speak_for_the_machine():
    old, new = small(), small()
    for report in (old, new):
        report.facts.profile.step = 10 * sum(cost.forward + cost.backward for cost in report.facts.profile.modules)
    slower(new, 2.0, 1.0)
    assert compare(old, new).machine is None
    assert state(old, new, "step") == "noise"


def test_forward_and_backward_alone_are_not_judged():
    def forward(report: Report) -> None:
        report.facts.profile.forward *= 3

    assert state(*pair(forward), "forward") == "noise"


def test_without_unchanged_layers_only_a_large_factor_counts():
    assert not time_changed(TIME_ALONE * 0.99, None)
    assert time_changed(TIME_ALONE * 1.01, None)
    assert time_changed(1 / (TIME_ALONE * 1.01), None)
    assert time_changed(TIME * 1.01, 1.0)


def test_the_loss_counts_by_what_is_left_of_it():
    assert loss_changed((2.3, 0.0004), (2.4, 0.0007)) is False
    assert loss_changed((2.3, 2.3), (2.3, 0.2)) is True
    assert loss_changed((4.57, 3.01), (4.58, 3.09)) is False
    assert loss_changed((-1.0, -3.0), (-1.0, -2.0)) is None
    assert loss_changed((1.0, 0.5), (1.0, 0.5 + LOSS * 1.01)) is True


def test_a_loss_that_is_no_longer_finite():
    def explode(report: Report) -> None:
        report.facts.probe.losses[-1] = "nan"

    comparison = compare(*pair(explode))
    assert comparison.quantity("loss").state == "changed"
    assert comparison.quantity("loss").reason == "not finite"


@pytest.mark.parametrize(
    ("change", "name", "numbers"),
    [
        (lambda r: setattr(r.facts.environment, "torch", "9.9"), "torch", ("step", "throughput")),
        (lambda r: setattr(r.facts.environment, "device", "cuda:0"), "device", ("step", "peak_memory")),
        (lambda r: setattr(r.facts.environment, "device_name", "another"), "machine", ("step",)),
        (lambda r: setattr(r.facts.probe, "batch", 999), "batch", ("step", "peak_memory", "loss")),
        (lambda r: setattr(r.facts.probe, "steps", 999), "steps", ("loss",)),
        (lambda r: setattr(r.facts.target.inputs[0].tensor, "shape", [7, 7]), "input", ("step", "flops", "peak_memory", "loss")),
    ],
)
def test_other_conditions_are_said_and_make_no_changes(change, name: str, numbers: tuple[str, ...]):
    old, new = small(), small()
    change(new)
    new.model.flops *= 2
    new.facts.profile.peak_memory *= 3
    slower(new, 9.0, 1.0)
    new.facts.probe.losses[-1] = 77.0
    comparison = compare(old, new)
    assert name in [each.name for each in comparison.settings]
    for number in numbers:
        quantity = comparison.quantity(number)
        assert quantity.state == "incomparable", number
        assert name in quantity.reason


def test_another_seed_is_said_and_parameters_still_count():
    old, new = small(), small()
    new.facts.environment.seed = 5
    comparison = compare(old, new)
    assert [(each.name, each.old, each.new) for each in comparison.settings] == [("seed", "0", "5")]
    assert not comparison.changed


def test_what_one_report_lacks_is_unknown_not_changed():
    comparison = compare(small(), no_probe())
    for name in ("step", "peak_memory", "loss"):
        assert comparison.quantity(name).state == "unknown"
    assert comparison.quantity("loss").reason.endswith("this time")
    assert compare(no_probe(), small()).quantity("loss").reason.endswith("before")


def test_a_state_dict_against_a_module():
    old = weights_only()
    old.outcomes = [Outcome(check=each.check, state="not-applicable", reason="no graph") for each in old.outcomes]
    comparison = compare(old, small())
    assert {each.state for each in comparison.findings} == {"unchecked"}
    assert "kind" in [each.name for each in comparison.settings]
    assert comparison.quantity("parameters").state == "same"
    assert comparison.quantity("flops").state == "unknown"
    assert not comparison.layers
    assert not comparison.of("new", "fixed")


def test_other_values_of_a_checkpoint_are_seen():
    old, new = weights_only(), weights_only()
    for i, report in enumerate((old, new)):
        report.facts.weights.fresh = False
        for stats in report.facts.weights.stats:
            stats.digest = f"{stats.name}{i if stats.name.endswith('weight') else ''}"
    comparison = compare(old, new)
    assert comparison.values == sum(stats.name.endswith("weight") for stats in new.facts.weights.stats) > 0
    assert comparison.changed
    assert compare(old, copy.deepcopy(old)).values == 0


def test_fresh_values_under_another_seed_say_nothing():
    old, new = small(), small()
    new.facts.environment.seed = 3
    for stats in new.facts.weights.stats:
        stats.digest = f"other{stats.name}"
    assert compare(old, new).values is None


def test_another_model_altogether():
    comparison = compare(small(), medium())
    assert comparison.changed
    assert comparison.quantity("parameters").state == "changed"
    assert comparison.settings[0].name == "target"


def test_a_stage_that_failed_is_said():
    old, new = small(), small()
    new.stages.append(Stage(name="experiments", state="failed", error="x"))
    assert compare(old, new).stages == ["the stage experiments failed"]
