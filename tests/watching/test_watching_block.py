"""``with nnreport.watch(…)``: a block of code in this process."""

import copy
import gc
import pickle
import threading
import weakref

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


def test_a_function_that_has_ended_leaves_its_model_for_the_look():
    alive = []

    def main():
        model, optimizer = made()
        alive.append(weakref.ref(model))
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4)
        train(model, optimizer)
        scheduler.step()

    with nnreport.watch() as w:
        main()
    run = w.report.facts.run
    assert w.report.facts.graph is not None
    assert [(o.models, o.tensors) for o in run.optimizers] == [([0], 4)]
    assert [(s.name, s.steps) for s in run.schedulers] == [("StepLR", 1)]
    assert not [f for f in w.report.findings if f.severity != "note"], w.report.findings
    gc.collect()
    assert alive[0]() is None  # nor is it kept any longer


def test_what_is_copied_or_saved_has_no_hooks_of_ours(tmp_path):
    class Own(Net):
        def __getstate__(self):
            return self.__dict__

    for cls in (Net, Own):
        torch.manual_seed(1)
        model = cls() if cls is Net else Own()
        if cls is Net:
            bare = pickle.dumps(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        with nnreport.watch(model, optimizer, look=False) as w:
            twin = copy.deepcopy(model)
            if cls is Net:
                assert pickle.dumps(model) == bare
                assert not any(hooks(twin))
            losses = train(model, optimizer, 3)
            torch.manual_seed(5)
            assert torch.isfinite(twin(torch.randn(4, 6))).all()
        assert w.report.facts.run.losses.values == pytest.approx(losses)
        assert len(w.report.facts.run.models) == 1


class Generator(nn.Sequential):
    pass


class Judge(nn.Sequential):
    pass


def test_two_models_and_two_optimizers():
    torch.manual_seed(0)
    maker = Generator(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
    judge = Judge(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    first = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.999))
    second = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.999))
    loss = F.binary_cross_entropy_with_logits
    judged = []
    with nnreport.watch() as w:
        for _ in range(20):
            real, fake = torch.randn(16, 2) * 0.3 + 1, maker(torch.randn(16, 4))
            apart = loss(judge(real), torch.ones(16, 1)) + loss(judge(fake.detach()), torch.zeros(16, 1))
            second.zero_grad()
            apart.backward()
            second.step()
            judged.append(apart.item())
            alike = loss(judge(fake), torch.ones(16, 1))
            first.zero_grad()
            alike.backward()
            first.step()
    run = w.report.facts.run
    assert [(m.name, m.variable) for m in run.models] == [("Generator", "maker"), ("Judge", "judge")]
    assert [(o.variable, o.steps, round(o.passes, 1)) for o in run.optimizers] == [("first", 20, 1.0), ("second", 20, 2.0)]
    assert run.losses.values == pytest.approx(judged)  # of the one that steps first
    assert w.report.model.name == "Generator"
    assert w.report.facts.notes == ["The script trains 2 models; this report draws maker (Generator), not judge (Judge)."]
    assert w.report.facts.graph.nodes[0].outputs[0].shape == [16, 4]
    assert not [f for f in w.report.findings if f.severity != "note"], w.report.findings


def test_a_model_compiled_in_place_is_seen_from_outside():
    torch._dynamo.reset()
    bare = train(*made())
    model, optimizer = made()
    model.compile(backend="eager")
    with nnreport.watch() as w:
        losses = train(model, optimizer)
        model.eval()
        with torch.no_grad():
            x, y = task()
            F.cross_entropy(model(x), y)
        model.train()
        F.cross_entropy(model(x), y).backward()
    assert losses == pytest.approx(bare, rel=1e-5)
    run = w.report.facts.run
    assert (run.models[0].entries, run.models[0].train_forwards, run.models[0].compiled) == ([""], 13, True)
    assert [e.phases for e in run.evaluations] == [1]
    assert w.report.facts.graph is not None
    assert type(model._compiled_call_impl).__name__ == "function"
    assert not [f for f in w.report.findings if f.severity != "note"], w.report.findings


def test_training_in_another_thread_than_the_optimizer_was_made_in():
    model, optimizer = made()
    losses = []
    with nnreport.watch(look=False) as w:
        thread = threading.Thread(target=lambda: losses.extend(train(model, optimizer)))
        thread.start()
        thread.join()
    assert w.report.facts.run.losses.values == pytest.approx(losses)
    assert w.report.facts.run.models[0].train_forwards == 12


def test_very_many_forwards_without_a_backward_pass_cost_no_memory():
    from nnreport.inspector.watching import trained

    model, optimizer = made()
    with nnreport.watch(model, optimizer, look=False) as w, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "MOST_OPEN", 5)
        train(model, optimizer, 2)
        model.eval()
        with torch.no_grad():
            for _ in range(30):
                model(torch.randn(4, 6))
        assert len(w.session.watcher.models[0].open) == 5
        model.train()
        train(model, optimizer, 2)
    run = w.report.facts.run
    assert [(e.phases, e.forwards) for e in run.evaluations] == [(1, 30)]
    assert run.models[0].train_forwards == 4
