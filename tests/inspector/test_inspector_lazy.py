"""Lazy modules: all stages see the parameters that the first forward makes; the user's model keeps its own."""

import torch
from torch import nn

from nnreport.inspector.feeding.inputs import sample_from_specs
from nnreport.inspector.loading.lazy import made


def test_parameters_are_made_on_a_copy():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    before = torch.get_rng_state()
    ready = made(model, sample_from_specs(["2,3,8,8"], model, 0), 0)
    assert torch.equal(before, torch.get_rng_state())
    assert [tuple(p.shape) for p in ready.parameters()] == [(4, 3, 3, 3), (4,), (4,), (4,), (2, 144), (2,)]
    assert torch.equal(ready[1].running_mean, torch.zeros(4))
    assert all(module.training for module in ready.modules())
    assert isinstance(model[0].weight, nn.UninitializedParameter)


def test_nothing_is_done_for_others_and_for_what_raises():
    model = nn.Linear(3, 2)
    assert made(model, sample_from_specs(["2,3"], model, 0), 0) is model
    wrong = nn.Sequential(nn.LazyLinear(4), nn.Linear(3, 2))
    assert made(wrong, sample_from_specs(["2,3"], wrong, 0), 0) is wrong
