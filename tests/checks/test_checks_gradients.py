"""Gradients and updates on facts written by hand."""

import pytest
from probing import Experiments, Facts, OptimizerInfo, net, probe, run, weight

from nnreport.facts import ParameterSeries, Reach, SilentParameter

FLAT = [2.3] * 31
FALLING = [2.3 - 0.05 * i for i in range(31)]
SETTLED = Experiments(longer_losses=FLAT * 5)


def series(name: str, gradient: float, update: float = 1e-3, steps: int = 9, **more: int) -> ParameterSeries:
    return ParameterSeries(name=f"{name}.weight", gradient=[gradient] * steps, update=[update] * steps, steps=steps, **more)


def depth(*gradients: float, losses: list = FLAT, user: bool = True, trials: Experiments | None = SETTLED) -> Facts:
    names = [f"l{i}" for i in range(len(gradients))]
    found = [series(name, gradient) for name, gradient in zip(names, gradients, strict=True)]
    return net([weight(name) for name in names], probe=probe(losses, user=user, parameters=found), experiments=trials)


def test_gradients_that_fall_steadily_towards_the_input_vanish() -> None:
    (finding,) = run("vanishing-gradient", depth(1e-10, 1e-8, 1e-6, 1e-4, 1e-2))
    assert (finding.module, finding.severity) == ("l0", "error")
    (finding,) = run("vanishing-gradient", depth(1e-10, 1e-8, 1e-6, 1e-4, 1e-2, user=False))
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    "facts",
    [
        depth(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, losses=FALLING),  # deep, and it learns
        depth(1e-3, 1e-3, 2e-3, 4e-3, 1e-2),  # a normal ratio
        depth(1e-9, 1e-3, 1e-3, 1e-3, 1e-3),  # one place, no decay
        depth(1e-2, 1e-4, 1e-6, 1e-8, 1e-10),  # the other way round
        depth(1e-8, 1e-2, 1e-2),  # no depth
    ],
)
def test_other_profiles_do_not_vanish(facts: Facts) -> None:
    assert run("vanishing-gradient", facts) == []


@pytest.mark.parametrize(
    ("norms", "found"),
    [
        ([10, 20, 40, 200, 900, 3e3, 9e3, 2e4, 4e4, 9e4], True),
        ([5e3] * 10, False),  # a summed loss
        ([1.0, 9e4, 3e3, 100, 10, 3, 2, 1, 1, 1], False),  # one early spike
        ([1.0, 2.0, 3.0, "nan"], True),
        ([0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4], False),
    ],
)
def test_gradients_explode_when_they_are_large_and_grow(norms: list, found: bool) -> None:
    facts = Facts(probe=probe([2.3] * (len(norms) + 1), gradient_norms=norms))
    assert bool(run("exploding-gradient", facts)) is found


def test_a_parameter_that_no_path_leads_to_is_an_error() -> None:
    facts = net([weight("a"), weight("b")], probe=probe(FLAT), reach=Reach(none=["a.weight"]))
    (finding,) = run("no-gradient", facts)
    assert (finding.module, finding.severity) == ("a", "error")


def test_what_nothing_reads_is_a_note_and_what_wakes_elsewhere_is_fine() -> None:
    stats = [weight("a"), weight("b")]
    unread = Experiments(silent=[SilentParameter(name="a.weight", elsewhere=False, moves=0.0)])
    (finding,) = run("no-gradient", net(stats, probe=probe(FLAT), reach=Reach(none=["a.weight"]), experiments=unread))
    assert finding.severity == "note"
    expert = Experiments(silent=[SilentParameter(name="a.weight", elsewhere=True, moves=0.0)])
    assert run("no-gradient", net(stats, probe=probe(FLAT), reach=Reach(none=["a.weight"]), experiments=expert)) == []


def test_zeros_must_last_and_uncalled_modules_are_not_starved() -> None:
    stats = [weight("a"), weight("b")]
    lasting = [series("a", 0.0, zero_steps=9), series("b", 0.1)]
    (finding,) = run("no-gradient", net(stats, probe=probe(FLAT, parameters=lasting), reach=Reach()))
    assert finding.evidence["kind"] == "zero"
    first_step = [series("a", 0.1, zero_steps=1), series("b", 0.1)]
    assert run("no-gradient", net(stats, probe=probe(FLAT, parameters=first_step), reach=Reach())) == []
    idle = net([weight("a"), weight("b"), weight("c")], probe=probe(FLAT), reach=Reach(none=["c.weight"]))
    idle.graph = net(stats).graph
    idle.tree.modules[3].calls = 0
    assert run("no-gradient", idle) == []


def rates(update: float, losses: list, user: bool = True) -> Facts:
    found = [series(name, 0.1, update) for name in "abc"]
    optimizer = OptimizerInfo(name="SGD", user=user, source="given" if user else "default", learning_rate=0.1)
    return net([weight(name) for name in "abc"], probe=probe(losses, parameters=found, optimizer=optimizer))


def test_updates_by_the_users_rate() -> None:
    assert [each.severity for each in run("update-too-large", rates(0.3, FLAT))] == ["warning"]
    assert [each.severity for each in run("update-too-large", rates(0.3, FLAT, user=False))] == ["note"]
    assert run("update-too-large", rates(0.01, FLAT)) == []
    assert run("update-too-large", rates(0.3, FALLING)) == []
    assert [each.severity for each in run("update-too-small", rates(1e-8, FLAT))] == ["warning"]
    assert run("update-too-small", rates(1e-4, FLAT)) == []
    assert run("update-too-small", rates(1e-8, FALLING)) == []
