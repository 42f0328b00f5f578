"""A copy trained for a few steps, or the training of a watched script, as it was observed."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Number, Range, Record, Scalar, TensorInfo
from nnreport.facts.target import InputSpec


class OutputInfo(Record):
    """The tensor that the loss reads, as the probe saw it before the first step."""

    name: str = ""
    tensor: TensorInfo | None = None
    range: Range | None = None
    sums_to_one: int | None = None
    """Axis over which it sums to 1 with no negative entry (a distribution), else None."""
    log_sums_to_one: int | None = None
    """Axis over which exp of it sums to 1 (log-probabilities), else None."""
    activation: str = ""
    """Last operation before it that is no reshape: ``softmax``, ``sigmoid``, ``relu``, ``linear`` …"""
    module: str = ""
    """Module path where that operation ran."""
    node: int | None = None
    spread: float | None = None
    """std over the batch in train mode, mean over the rest, over the rms of the output."""
    spread_absolute: float | None = None


class TargetInfo(Record):
    tensor: TensorInfo | None = None
    range: Range | None = None
    classes: dict[str, int] = {}
    """Label -> count, for integer targets of at most 1,000 classes."""
    variance: float | None = None
    integral: bool = False
    """All values are whole numbers."""
    from_output: bool = False
    """Computed from the model's own output."""
    sorted: bool = False
    equals_input: bool = False


class DataInfo(Record):
    """The batch that the probe trains on."""

    user: bool = False
    source: str = ""
    batch: int = 0
    given_batch: int = 0
    """Leading axis of the given example input."""
    batches_seen: int = 0
    """Batches looked at for the statistics below."""
    inputs: list[InputSpec] = []
    target: TargetInfo | None = None
    columns: dict[str, list[Range]] = {}
    """input name -> range per feature column (last axis of 2-D float inputs, at most 256)."""


class LossInfo(Record):
    name: str = ""
    """``cross_entropy``, ``mse_loss``, ``model`` (the output carries its own loss), or the user's function name."""
    user: bool = False
    """Given with --loss."""
    source: Literal["given", "file", "model", "inferred", ""] = ""
    """file: the target's own file names it."""
    reason: str = ""
    """How it was chosen, one sentence."""
    kind: Literal["cross_entropy", "nll", "bce", "bce_with_logits", "mse", "l1", "custom", "surrogate"] = "custom"
    """Family; ``surrogate``: a stand-in because no output fits a loss. User functions are seen through."""
    functional: list[str] = []
    """torch loss functions that ran inside it, in order (``cross_entropy``, ``mse_loss``)."""
    broadcast: list[list[int]] = []
    """[prediction shape, target shape] that were silently broadcast to something larger, if that happened."""
    per_element: bool = False
    location: Location | None = None


class OptimizerInfo(Record):
    name: str = ""
    user: bool = False
    source: Literal["given", "file", "default"] = "default"
    settings: dict[str, Scalar | list[float]] = {}
    learning_rate: float = 0.0
    parameters: int = 0
    """Tensors it holds."""
    missing: list[str] = []
    """Trainable parameters that it does not hold."""
    location: Location | None = None


class ParameterSeries(Record):
    """One trainable parameter over the probe's steps; entries belong to ``Probe.observed`` steps."""

    name: str
    gradient: list[Number] = []
    """rms of the gradient."""
    update: list[Number] = []
    """norm of the update over norm of the weight; 0 where the weight is 0."""
    zero_steps: int = 0
    """Observed steps in which the gradient was exactly zero."""
    none_steps: int = 0
    """Observed steps in which there was no gradient."""
    steps: int = 0


class ActivationSeries(Record):
    """One module's (or functional activation's) output over the observed steps."""

    module: str
    node: str = ""
    """For a functional activation: the operation's name (``relu``); then ``module`` is where it was called."""
    kind: str = ""
    """``ReLU``, ``Tanh``, ``Linear`` … (functional ones by the class of the same meaning)."""
    location: Location | None = None
    nth: int = 0
    """Which such operation of this module."""
    std: list[Number] = []
    mean: list[Number] = []
    maximum: list[Number] = []
    """Largest absolute value."""
    zeros: list[float] = []
    """Share of elements that are exactly zero."""
    rails: list[float] = []
    """tanh, sigmoid, hard variants: share within 2 % of a rail."""
    spread: list[Number] = []
    """Difference between samples: std over the batch, rms over the rest, over the rms of the output."""
    units: int = 0
    """Channels (axis 1 of N,C,…; last axis of N,…,C for linear-like)."""
    dead: float | None = None
    """Share of units that were zero for every position of every sample over the fresh batches after the last step."""
    dead_initial: float | None = None
    """The same before the first step."""
    dead_samples: int = 0
    """Samples (fresh batches together) behind ``dead``."""
    dead_units: list[int] = []
    """Indices of dead units, the first 64."""
    gate: bool = False
    """Its output is multiplied into another tensor (a gate), or is the model's output."""


class NonFinite(Record):
    """The first operation that emitted NaN or Inf."""

    step: int
    """0 is the first forward."""
    phase: Literal["forward", "backward", "loss", "update"]
    module: str = ""
    operation: str = ""
    location: Location | None = None
    inputs: list[Range] = []
    output: Range | None = None
    parameter: str = ""
    """backward, update: the parameter first hit."""


class Probe(Record):
    """A copy of the model trained for a few steps on one fixed batch; or the model itself in a watched script."""

    watched: bool = False
    """It is the training run of the user's own script: every step has its own batch."""

    steps: int = 0
    """Steps asked for."""
    done: int = 0
    batch: int = 0
    mode: Literal["train", "eval"] = "train"
    data: DataInfo | None = None
    loss: LossInfo | None = None
    optimizer: OptimizerInfo | None = None
    output: OutputInfo | None = None
    losses: list[Number] = []
    """Loss at each step, before its update; one more at the end, after the last update."""
    eval_losses: list[Number] = []
    """[before, after] in eval mode on the same batch, where that works."""
    gradient_norms: list[Number] = []
    observed: list[int] = []
    """Steps at which the series below were taken."""
    parameters: list[ParameterSeries] = []
    activations: list[ActivationSeries] = []
    """In order of execution."""
    nonfinite: NonFinite | None = None
    seconds: list[float] = []
    """Per step."""
    stochastic: bool = False
    """Two train-mode forwards on the same batch differ (dropout, sampling)."""
    deterministic_loss: bool = True
    reason: str = ""
    """Why there was no probe, or why it ended early."""
