"""Dead, saturated and collapsed layers on facts written by hand."""

import pytest
from probing import ActivationSeries, Experiments, Facts, probe, run

FLAT = [2.3] * 31
FALLING = [2.3 - 0.05 * i for i in range(31)]


def relu(dead: float, units: int = 100, **more: object) -> ActivationSeries:
    return ActivationSeries(module="act", kind="ReLU", dead=dead, dead_samples=512, units=units, **more)


def facts(*series: ActivationSeries, losses: list = FLAT, user: bool = True, **more: object) -> Facts:
    return Facts(probe=probe(losses, user=user, activations=list(series)), **more)


@pytest.mark.parametrize(
    ("dead", "units", "losses", "severity"),
    [
        (0.55, 512, FLAT, None),  # healthy on uncentred data
        (0.70, 512, FLAT, "warning"),
        (0.64, 512, FALLING, "note"),  # a narrow lead over the limit, and it learns
        (0.95, 512, FLAT, "error"),
        (0.75, 8, FLAT, None),  # six of eight is chance
        (1.0, 8, FLAT, "error"),
        (1.0, 2, FALLING, "note"),  # two units of a squeezing gate
        (1.0, 1, FLAT, "error"),  # the output itself
        (1.0, 64, FALLING, "warning"),  # the signal has another way
    ],
)
def test_dead_units_by_share_and_width(dead: float, units: int, losses: list, severity: str | None) -> None:
    found = run("dead-relu", facts(relu(dead, units), losses=losses))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_dead_layers_of_one_cause_are_one_finding_that_names_the_first() -> None:
    first = ActivationSeries(module="a", kind="ReLU", dead=1.0, dead_initial=1.0, dead_samples=512, units=64)
    then = ActivationSeries(module="b", kind="ReLU", dead=0.7, dead_samples=512, units=64)
    (finding,) = run("dead-relu", facts(first, then))
    assert (finding.module, finding.modules, finding.severity) == ("a", ["a", "b"], "error")
    assert "before the first step" in finding.why


def test_synthetic_data_kill_at_most_with_a_warning_what_lived_at_first() -> None:
    died = relu(0.95, 512, dead_initial=0.3)
    assert [each.severity for each in run("dead-relu", facts(died, user=False))] == ["warning"]
    born = relu(1.0, 512, dead_initial=1.0)
    assert [each.severity for each in run("dead-relu", facts(born, user=False))] == ["error"]


def test_other_activations_and_gates_are_not_dead() -> None:
    assert run("dead-relu", facts(ActivationSeries(module="g", kind="GELU", dead=0.9, units=64))) == []
    assert run("dead-relu", facts(relu(0.8, 512, gate=True))) == []


def test_few_samples_are_said() -> None:
    few = ActivationSeries(module="act", kind="ReLU", dead=0.8, dead_samples=16, units=512)
    (finding,) = run("dead-relu", facts(few))
    assert "only 16 samples" in finding.message


def rails(*shares: float, kind: str = "Tanh", gate: bool = False) -> ActivationSeries:
    return ActivationSeries(module="act", kind=kind, rails=list(shares), units=64, gate=gate)


def test_tanh_on_its_rails_is_saturated() -> None:
    (finding,) = run("saturated-activation", facts(rails(0.8, 0.8, 0.8)))
    assert "before the first step" in finding.why
    (finding,) = run("saturated-activation", facts(rails(0.1, 0.6, 0.8, 0.8)))
    assert "driven there" in finding.why


@pytest.mark.parametrize(
    "series",
    [
        rails(0.3, 0.3, 0.3),
        rails(0.9, 0.2, 0.1, 0.1),
        rails(0.9, 0.9, 0.9, gate=True),
        rails(0.9, 0.9, 0.9, kind="Softmax"),
        rails(0.9, 0.9, 0.9, kind="LayerNorm"),
    ],
)
def test_gates_norms_and_what_recovers_are_not_saturated(series: ActivationSeries) -> None:
    assert run("saturated-activation", facts(series)) == []


def layer(name: str, spread: float) -> ActivationSeries:
    return ActivationSeries(module=name, kind="Linear", spread=[spread] * 10, std=[0.3] * 10)


def test_features_that_collapse_and_stay_so_are_named_where_they_do() -> None:
    sick = facts(layer("a", 0.5), layer("b", 0.4), layer("c", 1e-6), layer("d", 1e-7))
    (finding,) = run("collapsed-features", sick)
    assert (finding.module, finding.modules) == ("c", ["c", "d"])


def test_features_that_come_back_learn_or_never_differed_have_not_collapsed() -> None:
    assert run("collapsed-features", facts(layer("a", 0.5), layer("mask", 0.0), layer("out", 0.4))) == []
    assert run("collapsed-features", facts(layer("a", 0.5), layer("b", 1e-7), layer("c", 1e-7), losses=FALLING)) == []
    assert run("collapsed-features", facts(layer("a", 1e-5), layer("b", 1e-6))) == []
    below = Experiments(baseline_loss=2.0, longer_losses=[2.3 - 0.02 * i for i in range(60)])
    assert run("collapsed-features", facts(layer("a", 0.5), layer("b", 1e-7), layer("c", 1e-7), experiments=below)) == []
