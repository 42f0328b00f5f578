"""``dead``: a layer of the ReLU family that gives nothing but zeros for a whole training batch."""

from __future__ import annotations

import torch
from torch import Tensor

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.hit import Hit, label
from nnreport.inspector.breaking.operations import Operation
from nnreport.inspector.training.activations import RELU_KINDS, function_kind, functions

LEAST = 32
"""Values that a layer must have given: a few may all be negative by chance (32 of a healthy one: 2e-10)."""


class Dead(Condition):
    """Every unit is zero for every sample of the batch, so that no gradient passes: modules and functional calls alike."""

    operations = True
    functions = None

    def operation(self, operation: Operation) -> Hit | None:
        if not self.breakpoints.inside or not torch.is_grad_enabled() or not isinstance(operation.output, Tensor):
            return None
        if self.functions is None:
            self.functions = functions()
        name = self.functions.get(operation.function)
        if name is None or function_kind(name, operation.args, operation.kwargs) not in RELU_KINDS:
            return None
        output = operation.output.detach()
        if output.numel() < LEAST or output.dim() == 0 or bool(output.any()):
            return None
        path = self.breakpoints.path
        given = next(iter(operation.inputs), None)
        return Hit(
            text=f"{name} in {label(path)} gives 0 for all {output.numel():,} values of the batch {list(output.shape)}",
            phase="forward",
            module=path,
            operation=name,
            here={"output": operation.output, "module": self.breakpoints.module}
            | ({"input": given} if given is not None and given is not operation.output else {}),
            values={"dead": 1.0, "values": output.numel()},
        )
