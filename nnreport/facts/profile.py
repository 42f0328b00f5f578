"""Where time and memory go."""

from __future__ import annotations

from nnreport.facts.base import Record


class ModuleCost(Record):
    module: str
    calls: int = 0
    forward: float = 0.0
    """Seconds per step, own time without its children."""
    forward_total: float = 0.0
    backward: float = 0.0
    """Seconds per step, own time."""
    backward_total: float = 0.0
    activation: int = 0
    """Bytes of its outputs, own."""
    flops: int = 0
    """Forward and backward per step at the probe's batch, own."""


class OperatorCost(Record):
    name: str
    calls: int
    seconds: float
    share: float


class Machine(Record):
    """What this machine can do, measured once."""

    flops: float = 0.0
    """float32 matrix product, FLOP/s."""
    bandwidth: float = 0.0
    """bytes/s of a large copy, read plus written."""
    device: str = ""


class Profile(Record):
    batch: int = 0
    step: float = 0.0
    """Median seconds of an unobserved train step."""
    forward: float = 0.0
    backward: float = 0.0
    optimizer: float = 0.0
    throughput: float = 0.0
    """Samples per second."""
    modules: list[ModuleCost] = []
    operators: list[OperatorCost] = []
    peak_memory: int = 0
    """Bytes live at the worst moment of a step: the allocator's peak on an accelerator; on the CPU what the step allocated at its
    peak, over the weights and the optimizer's state."""
    parameters_memory: int = 0
    gradients_memory: int = 0
    optimizer_memory: int = 0
    activations_memory: int = 0
    """Bytes saved for backward in one step."""
    machine: Machine | None = None
    achieved_flops: float = 0.0
    """FLOP/s of the step."""
