"""``with nnreport.watch(…)``: a block of code in this process."""

import gc

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nnreport
from nnreport.inspector.watching.watcher import INSTALLED


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.a = nn.Linear(6, width)
        self.drop = nn.Dropout(0.1)
        self.b = nn.Linear(width, 3)

    def forward(self, x):
        return self.b(self.drop(F.relu(self.a(x))))


def task():
    torch.manual_seed(0)
    x = torch.randn(64, 6)
    return x, (x @ torch.randn(6, 3)).argmax(1)


def train(model, optimizer, steps=12, fail=None):
    x, y = task()
    losses = []
    for step in range(steps):
        rows = torch.randint(0, 64, (16,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == fail:
            raise ValueError("in the middle")
    return losses


def made(width=16):
    torch.manual_seed(1)
    model = Net(width)
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def hooks(model):
    return [len(h) for m in model.modules() for h in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)] + [
        len(p._backward_hooks or ()) + len(p._post_accumulate_grad_hooks or ()) for p in model.parameters()
    ]


def test_the_block_trains_as_without_and_has_a_report(tmp_path):
    bare = train(*made())
    random = torch.random.get_rng_state()
    model, optimizer = made()
    originals = F.cross_entropy, torch.autograd.backward, torch.optim.Optimizer.__init__
    with nnreport.watch(model, optimizer, title="A run") as w:
        losses = train(model, optimizer)
        with pytest.raises(nnreport.UsageError, match="when the block has ended"):
            _ = w.report
    assert losses == bare
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not any(hooks(model))
    assert (F.cross_entropy, torch.autograd.backward, torch.optim.Optimizer.__init__) == originals
    assert not INSTALLED
    report = w.report
    run = report.facts.run
    assert report.title == "A run"
    assert run.script == "test_watching_block.py"
    assert [m.variable for m in run.models] == ["model"]
    assert [(o.variable, o.steps) for o in run.optimizers] == [("optimizer", 12)]
    assert run.losses.values == pytest.approx(bare)
    assert report.facts.graph is not None
    assert report.facts.probe.watched
    assert not [f for f in report.findings if f.severity != "note"], report.findings
    assert "<" in report._repr_html_()
    report.save(tmp_path / "x.html")
    assert "A run" in (tmp_path / "x.html").read_text()


def test_an_exception_passes_through_and_the_report_is_there():
    model, optimizer = made()
    with pytest.raises(ValueError, match="in the middle"), nnreport.watch(model, optimizer, look=False) as w:
        train(model, optimizer, fail=4)
    assert w.report.facts.run.steps == 5
    assert w.report.facts.failures[0].exception == "ValueError"
    assert {f.check for f in w.report.findings} >= {"script-error"}
    assert w.report.facts.graph is None  # look=False
    assert not INSTALLED


def test_what_nobody_named_is_found_and_the_idle_left_out():
    idle, idle_optimizer = made(8)
    model, optimizer = made()
    with nnreport.watch(look=False) as w:
        train(model, optimizer)
    run = w.report.facts.run
    assert [(m.name, m.parameters) for m in run.models] == [("Net", sum(p.numel() for p in model.parameters()))]
    assert [o.steps for o in run.optimizers] == [12]
    assert run.losses.steps == list(range(12))  # the first step, too
    assert not [f for f in w.report.findings if f.severity != "note"], w.report.findings
    assert not any(hooks(idle))
    del idle_optimizer
    gc.collect()


def test_of_several_the_named_model_is_shown_and_limits_hold():
    small, one = made(8)
    large, two = made(32)
    with nnreport.watch([small], steps=5, look=False, ignore=["script"]) as w:
        train(large, two, 3)
        train(small, one, 20)
    run = w.report.facts.run
    assert run.models[run.main].parameters == sum(p.numel() for p in small.parameters())
    assert next(o for o in run.optimizers if run.main in o.models).steps == 5
    assert not [f for f in w.report.findings if f.check == "missing-step"]


def test_nested_watches_see_the_same_run():
    bare = train(*made())
    model, optimizer = made()
    with nnreport.watch(look=False) as outer:
        with nnreport.watch(model, optimizer) as inner:
            losses = train(model, optimizer)
        train(model, optimizer, 3)
    assert losses == bare
    assert inner.report.facts.run.steps == 12
    assert inner.report.facts.graph is not None
    assert outer.report.facts.run.steps == 15  # and none of the inner one's own look at the model
    assert len(outer.report.facts.run.models) == 1
    assert len(outer.report.facts.run.optimizers) == 1


def test_wrong_use_is_one_clear_line():
    model, optimizer = made()
    with pytest.raises(nnreport.UsageError, match="models and optimizers of torch, not a str"), nnreport.watch("model"):
        pass
    assert not INSTALLED
    w = nnreport.watch(model, optimizer, look=False)
    with pytest.raises(nnreport.UsageError, match="when the block has ended"):
        _ = w.report
    with w:
        train(model, optimizer, 2)
    with pytest.raises(nnreport.UsageError, match="used already"), w:
        pass
    with pytest.raises(nnreport.UsageError, match="at least 1"):
        nnreport.watch(steps=0)


def test_a_block_that_does_not_train_says_what_was_seen():
    model, _ = made()
    with nnreport.watch(model) as w:
        model(torch.randn(4, 6)).sum().backward()
    assert w.report.facts.run.steps == 0
    assert any("1 backward pass" in line for line in w.report.facts.run.seen)
