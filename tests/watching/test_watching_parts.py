"""The pieces of the watch by themselves: the log, the labels, the graphs, the witnesses of an optimizer, the schedule."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from torch import nn

from nnreport.inspector.watching.discovery import modules_alive, outermost, unwrapped, variable_name
from nnreport.inspector.watching.graphs import Graphs
from nnreport.inspector.watching.labels import Labels
from nnreport.inspector.watching.log import MOST, SHOWN, Log
from nnreport.inspector.watching.observer import is_observed
from nnreport.inspector.watching.optimizers import OptimizerWatch
from nnreport.inspector.watching.patching import Patches


def test_a_log_stays_small_and_keeps_the_mean():
    log = Log()
    for step in range(10 * MOST):
        log.add(step, float(step))
    assert len(log.values) < 2 * MOST
    assert log.every == 8
    series = log.series()
    assert len(series.values) <= SHOWN
    assert series.steps[0] == 0
    assert series.values[0] == pytest.approx((series.every - 1) / 2)


def test_a_nan_in_a_log_is_not_averaged_away():
    log = Log()
    for step in range(2 * MOST):
        log.add(step, math.nan if step == 7 else 1.0)
    assert "nan" in log.series().values


def labels_of(*batches: list[int]) -> Labels:
    labels = Labels()
    for batch in batches:
        labels.add(torch.tensor(batch))
    return labels


def test_labels_in_order_and_shuffled():
    ordered = labels_of(*[[i // 4] * 8 for i in range(20)]).record()
    assert ordered is not None
    assert ordered.sorted
    assert ordered.changes == 4
    assert ordered.changes < 0.1 * ordered.expected
    generator = torch.Generator().manual_seed(0)
    mixed = labels_of(*[torch.randint(0, 5, (8,), generator=generator).tolist() for _ in range(20)]).record()
    assert mixed is not None
    assert not mixed.sorted
    assert 0.8 < mixed.changes / mixed.expected < 1.2


def test_labels_that_never_change_and_those_that_are_no_classes():
    assert labels_of(*[list(range(8))] * 5).record().constant
    labels = Labels()
    labels.add(torch.randn(8))
    labels.add(torch.zeros(8, 4, dtype=torch.long))
    assert labels.record() is None
    column = Labels()
    for _ in range(2):
        column.add(torch.tensor([[0], [1]]))
    assert column.record().labels == 4


def losses(count: int, kept: list[torch.Tensor]) -> Graphs:
    graphs, weight = Graphs(), torch.ones(3, requires_grad=True)
    for step in range(count):
        loss = (weight * 2).sum()
        graphs.tie(loss, step)
        kept.append(loss)
        loss.backward()
        del loss
        if len(kept) > 1 and kept is not KEEPER:
            kept.pop(0)
        graphs.look(step)
    return graphs


KEEPER: list[torch.Tensor] = []


def test_graphs_that_are_kept_are_counted_and_others_are_not():
    free = losses(30, [])
    gc.collect()
    assert free.alive == 0
    KEEPER.clear()
    kept = losses(30, KEEPER)
    KEEPER.clear()
    assert kept.alive >= 20
    assert kept.looked >= kept.alive


def watched_steps(step) -> OptimizerWatch:
    torch.manual_seed(0)
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watch = OptimizerWatch(optimizer, lambda watch: None)
    for i in range(6):
        step(net, optimizer, i, lambda: net(torch.randn(8, 4)).square().mean().backward(), watch)
        watch.before_step(False)
        optimizer.step()
        watch.after_step(True)
    watch.release()
    return watch


@pytest.mark.parametrize(
    ("name", "step", "piled", "without"),
    [
        ("cleared first", lambda n, o, i, b, w: (o.zero_grad(), b()), 0, 0),
        ("cleared to zero", lambda n, o, i, b, w: (o.zero_grad(set_to_none=False), b()), 0, 0),
        ("cleared by the model", lambda n, o, i, b, w: (n.zero_grad(), b(), b()), 0, 0),
        ("cleared by hand", lambda n, o, i, b, w: ([setattr(p, "grad", None) for p in n.parameters()], b()), 0, 0),
        ("never cleared", lambda n, o, i, b, w: b(), 5, 0),
        ("no backward pass", lambda n, o, i, b, w: b() if i == 0 else None, 0, 5),
        ("backward, then cleared", lambda n, o, i, b, w: (b(), o.zero_grad()), 0, 5),
    ],
)
def test_where_the_gradients_of_a_step_come_from(name, step, piled, without):
    watch = watched_steps(step)
    assert (watch.looked, watch.piled, watch.without) == (5, piled, without), name


def test_a_gradient_set_by_hand_is_fresh():
    def step(net, optimizer, i, backward, watch):
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, 0.1 * (i + 1))

    assert watched_steps(step).without == 0


def test_the_outermost_module_that_holds_a_parameter():
    inner = nn.Linear(3, 3)
    outer = nn.Sequential(nn.Sequential(inner), nn.ReLU())
    found = [m for m in outermost(inner.parameters()) if any(m is each for each in modules_alive())]
    assert found == [outer]
    assert unwrapped(nn.DataParallel(outer))[0] is outer
    assert variable_name(outer, None) == ""


def test_the_schedule_is_dense_at_first_and_rarer_later():
    seen = [step for step in range(20_000) if is_observed(step, 0)]
    assert seen[:3] == [0, 1, 2]
    assert len([s for s in seen if s < 100]) > len([s for s in seen if 1000 <= s < 1100])
    assert len(seen) < 150
    assert [s for s in range(30) if is_observed(s, 7)] == [0, 1, 2, 7, 14, 21, 28]


def test_patches_are_taken_back_and_leave_others_alone():
    class Owner:
        def method(self) -> int:
            return 1

    original = Owner.method
    patches = Patches()
    patches.wrap(Owner, "method", lambda inner: lambda self: inner(self) + 1)
    assert Owner().method() == 2
    patches.undo()
    assert Owner.method is original
    assert not patches.wrap(Owner, "missing", lambda inner: inner)
    patches.wrap(Owner, "method", lambda inner: lambda self: inner(self) + 1)
    theirs = Owner.method
    Owner.method = lambda self: theirs(self) + 10  # somebody wrapped ours meanwhile
    wrapper = Owner.method
    patches.undo()
    assert Owner.method is wrapper
