"""A lazy module has no parameters before its first forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from nnreport.inspector.clone import clone
from nnreport.inspector.preserve import preserved

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample


def made(model: nn.Module, sample: Sample, seed: int) -> nn.Module:
    """A copy of the model whose lazy parameters were made by one forward in evaluation mode.

    The model itself where it has none, or where that forward raises.
    """
    waiting = [tensor for tensor in [*model.parameters(), *model.buffers()] if nn.parameter.is_lazy(tensor)]
    if not waiting:
        return model
    copy = clone(model)
    modes = [(module, module.training) for module in copy.modules()]
    try:
        with preserved(seed, waiting[0].device), torch.no_grad():
            copy.eval()(*sample.args, **sample.kwargs)
    except (Exception, SystemExit):
        return model
    for module, training in modes:
        module.training = training
    return copy
