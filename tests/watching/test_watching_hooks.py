"""A model under watch can be copied, pickled, scripted and traced as if nobody watched."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from nnreport.inspector.watching.watcher import Watcher


@pytest.fixture
def watched():
    torch.manual_seed(0)
    watcher = Watcher().install()
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    yield model, optimizer, watcher
    watcher.release()
    assert not watcher.own.faults
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()


def test_a_copy_has_nothing_of_the_watch(watched):
    model, optimizer, watcher = watched
    train(model, optimizer)
    twin = copy.deepcopy(model)
    before = watcher.models[0].watch.train_forwards
    x = torch.randn(3, 4)
    assert torch.equal(twin(x), model(x))
    twin(x).sum().backward()
    assert watcher.models[0].watch.train_forwards - before <= 1
    averaged = torch.optim.swa_utils.AveragedModel(model)
    assert torch.equal(averaged(x), model(x))
    assert "Watch" not in repr(pickle.dumps(twin))


def test_a_pickled_model_needs_nothing_of_ours(watched, tmp_path):
    model, optimizer, _ = watched
    train(model, optimizer)
    torch.save(model, tmp_path / "model.pt")
    assert b"nnreport" not in (tmp_path / "model.pt").read_bytes()
    code = "m = torch.load(sys.argv[1], weights_only=False); print(m(torch.ones(1, 4)).shape, 'nnreport' in sys.modules)"
    command = [sys.executable, "-c", f"import sys, torch; {code}", str(tmp_path / "model.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "torch.Size([1, 2]) False"


def test_scripting_and_tracing(watched):
    model, optimizer, watcher = watched
    train(model, optimizer)
    x = torch.randn(3, 4)
    assert torch.allclose(torch.jit.script(model)(x), model(x))
    assert torch.allclose(torch.jit.trace(model, x)(x), model(x))
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model), buffer)
    before = watcher.models[0].watch.train_forwards
    train(model, optimizer)
    assert watcher.models[0].watch.train_forwards > before, "the hooks are back"
