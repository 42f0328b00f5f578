"""What is known of a model: typed records of plain data, and nothing that acts.

Everything an inspector finds out becomes one of these records, travels as JSON, is judged by the checks and drawn by the
renderers. The records hold no tensors, import nothing of ours and have no behaviour beyond small derived properties.

Conventions, true everywhere:

* a *module path* is the dotted name in ``model.named_modules()``; the root is ``""``;
* shapes are lists of ints, dtypes are written without ``torch.`` (``float32``), sizes are bytes, times are seconds;
* 1 MAC is 2 FLOPs;
* ``None`` means "not measured", never "zero";
* non-finite floats travel as the strings ``"nan" "inf" "-inf"`` in series where they may occur (see :data:`Number`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Scalar = str | int | float | bool | None
#: A float that may be non-finite: JSON has no NaN, so those travel as ``"nan"``, ``"inf"`` or ``"-inf"``.
Number = float | Literal["nan", "inf", "-inf"]


def number(value: float) -> Number:
    """A float as it may travel in JSON: finite as it is, non-finite as its name."""
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return value


class Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of all records: unknown keys are ignored on reading, defaults are left out on writing."""


# --------------------------------------------------------------------------------------------------------------- small


class Location(Record):
    """A line of source. ``path`` is relative to the working directory (the user's own files) or to the package root
    (``torch/nn/modules/linear.py``); never absolute."""

    path: str
    line: int
    user: bool = True
    """True: the user's own file. False: an installed package."""
    function: str = ""
    text: str = ""
    """The stripped source line, where it is known."""


class TensorInfo(Record):
    shape: list[int]
    dtype: str


class Range(Record):
    """What a tensor held, from a sample of its elements (all of them when small)."""

    minimum: float
    maximum: float
    mean: float
    std: float
    zeros: float = 0.0
    """Share of elements that are exactly zero."""
    nan: int = 0
    inf: int = 0
    count: int = 0
    """Elements looked at; the statistics are over the finite ones."""


class Frame(Record):
    """One frame of the user's traceback, outermost first."""

    location: Location


class Failure(Record):
    """The user's own code failed: in the constructor, forward, backward, loss, data or optimizer."""

    phase: Literal["construct", "forward", "backward", "loss", "data", "optimizer", "weights", "script"]
    exception: str
    """Class name, e.g. ``RuntimeError``."""
    message: str
    module: str | None = None
    """Innermost module in which it happened."""
    cls: str = ""
    inputs: list[TensorInfo] = []
    """What that module was given."""
    expected: str = ""
    """What it wanted, in words, where that can be told: ``784 features in the last axis``."""
    operation: str = ""
    """The torch function that raised, e.g. ``linear``."""
    location: Location | None = None
    """The user's own innermost line."""
    frames: list[Frame] = []
    hint: str = ""
    """How to mend it, where that can be told, else empty."""


# ---------------------------------------------------------------------------------------------------------- the target


class Environment(Record):
    python: str = ""
    torch: str = ""
    nnreport: str = ""
    platform: str = ""
    """Operating system and architecture; no host name."""
    packages: dict[str, str] = {}
    device: str = ""
    """The device used, e.g. ``cpu`` or ``cuda:0``."""
    device_name: str = ""
    device_reason: str = ""
    """Why this device."""
    devices: list[str] = []
    """All accelerators seen."""
    threads: int = 0
    memory: int = 0
    seed: int = 0
    command: str = ""
    time: str = ""
    """UTC, ISO 8601; from SOURCE_DATE_EPOCH if set."""


class InputSpec(Record):
    """One input of the model, as it was given or found."""

    name: str
    """Parameter name in ``forward``; a keyword input has ``keyword`` set."""
    keyword: bool = False
    tensor: TensorInfo | None = None
    value: str = ""
    """repr of an input that is no tensor."""
    source: str = ""
    """How it was got: ``--input 1,784``, ``example_inputs()``, ``first batch of --data``, ``dummy_inputs`` …"""
    range: Range | None = None


class Target(Record):
    spec: str = ""
    """TARGET as the user wrote it."""
    name: str = ""
    """Short name for titles and file names: ``SimpleNet``."""
    cls: str = ""
    """Qualified class of the root module."""
    kind: Literal["module", "weights"] = "module"
    location: Location | None = None
    arguments: dict[str, Scalar] = {}
    inputs: list[InputSpec] = []
    weights: str = ""
    """File name given with --weights, no folder."""
    missing_keys: list[str] = []
    unexpected_keys: list[str] = []
    mismatched_keys: dict[str, list[list[int]]] = {}
    """name -> [shape in the model, shape in the checkpoint]"""


# --------------------------------------------------------------------------------------------------- tree of modules


class Module(Record):
    """One module of the tree, in ``named_modules()`` order (a shared module stands at its first path)."""

    path: str
    cls: str
    """Qualified class, ``torch.nn.modules.linear.Linear``."""
    kind: str = ""
    """Name of the first class in the MRO that torch.nn defines, other than Module: ``Linear``, ``BatchNorm2d``; else ``""``."""
    location: Location | None = None
    """Where the class is defined."""
    parent: str | None = None
    children: list[str] = []
    aliases: list[str] = []
    """Other paths of the same module object."""
    settings: dict[str, Scalar | list[int]] = {}
    """Its public hyperparameters: ``in_features``, ``kernel_size``, ``p``, ``eps``, ``batch_first``, ``negative_slope`` …"""
    signature: str = ""
    """Equal for structurally equal modules (class, settings, parameter shapes, children), so that repeats can be folded."""
    training: bool = True
    parameters: int = 0
    """Elements it owns directly, tied ones counted once, at their first owner."""
    total: int = 0
    """Elements with its children's."""
    trainable: int = 0
    """Of ``total``, those that require a gradient."""
    buffers: int = 0
    size: int = 0
    """Bytes of parameters and buffers, with its children's."""
    calls: int = 0
    """Times called in the recorded eval forward."""
    train_calls: int = 0
    """Times called in the recorded train forward."""
    functional: bool = False
    """Never called, but its parameters were read by an operation (``F.linear(x, self.fc.weight)``)."""
    registered: bool = True
    """False: it was called, but is in no module's ``_modules`` (it sits in a plain list, or is made in forward)."""
    holder: str = ""
    """For an unregistered one: where it was found, e.g. ``blocks[0]`` of its owner ``parent``; ``""`` if made in forward."""
    checkpoint: bool = False
    """Its parameters were loaded from --weights, or from a pretrained source."""

    @property
    def name(self) -> str:
        """Bare class name."""
        return self.cls.rpartition(".")[2]

    @property
    def user(self) -> bool:
        return self.location is not None and self.location.user


class Parameter(Record):
    """One parameter or buffer of the model, at its first name."""

    name: str
    module: str
    """Path of the owning module."""
    shape: list[int]
    dtype: str
    kind: Literal["parameter", "buffer"] = "parameter"
    trainable: bool = True
    persistent: bool = True
    tied: list[str] = []
    """Further names of the same tensor."""
    count: int = 0
    size: int = 0


class StrayTensor(Record):
    """A tensor or module that the model uses, or holds, without registering it."""

    kind: Literal["module", "parameter", "tensor"]
    owner: str
    """Path of the module whose attribute it is."""
    attribute: str
    """``blocks[0]``, ``scale``; ``""`` when it was found only as a leaf of the autograd graph."""
    shape: list[int] = []
    cls: str = ""
    requires_grad: bool = False
    in_forward: bool = False
    """Made anew in every forward."""
    used: bool = True
    """Read in the recorded forward."""
    parameters: int = 0
    location: Location | None = None
    """Best known line: the assignment, else the call, else the class."""


class Tree(Record):
    """The tree of modules and parameters."""

    modules: list[Module] = []
    parameters: list[Parameter] = []
    stray: list[StrayTensor] = []
    total: int = 0
    """Elements of all parameters, tied ones once."""
    trainable: int = 0
    buffers: int = 0
    size: int = 0
    """Bytes of parameters and buffers."""


# --------------------------------------------------------------------------------------------------------- the graph


class Call(Record):
    """One call of one module."""

    id: int
    module: str
    """Module path; of an unregistered module ``owner.attribute[i]``, else ``owner.<Class>``."""
    parent: int | None = None
    """The call in which it happened."""
    nth: int = 0
    """0 for the first call of this module."""
    inputs: list[TensorInfo] = []
    outputs: list[TensorInfo] = []
    location: Location | None = None
    """The user's line that called it."""
    flops: int = 0
    """Forward, with its children's, for the given input."""
    flops_backward: int = 0
    failed: bool = False


class Node(Record):
    """One node of the graph: an input, a torch operation, a constant, an output.

    Operations are as the user wrote them (``relu``, ``softmax``, ``add``, ``linear``), not ATen kernels.
    """

    id: int
    kind: Literal["input", "op", "constant", "output"]
    name: str
    """op: function name without module (``linear``, ``relu``, ``matmul``, ``getitem``, ``scaled_dot_product_attention``);
    input, output: its name or key path (``logits``, ``0``); constant: attribute name or ``""``."""
    call: int | None = None
    """Innermost module call in which it ran."""
    module: str = ""
    """Module path of that call."""
    inputs: list[int] = []
    """Ids of the nodes whose tensors it reads, in argument order, activations only (not parameters)."""
    parameters: list[str] = []
    """Names of parameters and buffers it reads directly; an unregistered one is ``?``."""
    reads: list[TensorInfo] = []
    """Shapes of the tensors of ``inputs``, in the same order."""
    outputs: list[TensorInfo] = []
    attributes: dict[str, Scalar | list[int]] = {}
    """Literal arguments by name: ``dim``, ``p``, ``training``, ``inplace``, ``eps``, ``exponent``, ``other`` …"""
    location: Location | None = None
    """The user's own line from which it was called."""
    flops: int = 0
    uncounted: bool = False
    """It did arithmetic for which no formula is known."""
    input_ranges: list[Range | None] = []
    """Parallel to ``inputs``."""
    output_range: Range | None = None
    spread: float | None = None
    """How far samples differ in the output: std over the batch axis, averaged, over the output's rms; None if the leading axis
    is not the batch or the batch has fewer than 2 samples."""
    differentiable: bool = False
    """Its output requires a gradient."""
    cut: bool = False
    """A floating input required a gradient (or came of one that would) and the output does not: the gradient ends here."""
    inplace: bool = False


class Witness(Record):
    """A second, independent recording of the same forward, held against ours."""

    name: str
    state: Literal["agrees", "differs", "failed", "skipped"]
    detail: str = ""
    calls: int = 0
    """Module calls it saw."""
    expected: int = 0
    """Module calls that the hooks saw."""
    seconds: float = 0.0


class Graph(Record):
    """The recorded forward: module calls (a tree) and operations (a DAG)."""

    mode: Literal["eval", "train"] = "eval"
    calls: list[Call] = []
    nodes: list[Node] = []
    """In the order of execution; inputs first, outputs last."""
    batch: int | None = None
    """Size of the leading axis of the inputs, if it is the batch."""
    complete: bool = True
    """False: the forward raised, the graph ends there."""
    truncated: int = 0
    """Operations beyond the limit that were counted and not kept."""
    flops: int = 0
    flops_backward: int = 0
    uncounted: list[str] = []
    """Operations without a formula; the total is then a lower bound."""
    output: str = ""
    """Structure of the output in words: ``tensor``, ``dict(logits, loss)``, ``tuple of 2`` …"""
    activation_size: int = 0
    """Bytes of all operation outputs."""
    witness: Witness | None = None
    train_calls: dict[str, int] = {}
    """Module path -> calls in a train-mode forward."""
    syncs: list[Node] = []
    """Calls that wait for the device or leave torch: ``item``, ``cpu``, ``numpy``, ``tolist``, ``print``."""


class Reach(Record):
    """What one backward pass reached (a scalar of all differentiable outputs, or the loss)."""

    none: list[str] = []
    """Trainable parameters that no path of the autograd graph leads to."""
    zero: list[str] = []
    """Those whose gradient is exactly zero."""
    cuts: list[int] = []
    """Graph node ids at which the gradient ends, each upstream of some parameter in ``none`` and downstream of it nothing cut."""
    cut_parameters: dict[str, list[str]] = {}
    """str(node id) -> the trainable parameters it cuts off."""
    inputs: dict[str, bool] = {}
    """Input name -> a non-zero gradient arrives (floating inputs only)."""
    loss: str = ""
    """What was differentiated."""


# ------------------------------------------------------------------------------------------------------------ weights


class Histogram(Record):
    low: float
    high: float
    counts: list[int]


class WeightStats(Record):
    """One parameter or buffer, from one pass over its memory."""

    name: str
    shape: list[int]
    dtype: str
    module: str = ""
    kind: Literal["parameter", "buffer"] = "parameter"
    count: int = 0
    mean: float = 0.0
    std: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    norm: float = 0.0
    zeros: int = 0
    nan: int = 0
    inf: int = 0
    histogram: Histogram | None = None
    zero_rows: int = 0
    """Output units (leading axis) whose weights are all zero; matrices only."""
    rows: int = 0
    identical_rows: bool = False
    """All rows are the same (more than one)."""
    fan_in: int = 0
    fan_out: int = 0
    effective_rank: float | None = None
    """exp of the entropy of the normalised singular values, over the smaller side (0..1]; None if not affordable."""
    digest: str = ""
    """Hash of the values, for finding equal tensors."""


class Weights(Record):
    stats: list[WeightStats] = []
    fresh: bool = True
    """Random values of a just-made model; False: loaded from a checkpoint."""
    steps: int | None = None
    """Largest ``num_batches_tracked`` seen, if any."""


# -------------------------------------------------------------------------------------------------------------- probe


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


# -------------------------------------------------------------------------------------------------------- experiments


class Mixing(Record):
    """Does sample i move output j? Eval mode, after a determinism guard."""

    samples: int
    moved: float = 0.0
    """Largest change of another sample's output, over the output's std over the batch."""
    own: float = 0.0
    """Change of the changed sample's own output, likewise."""
    absolute: float = 0.0
    tolerance: float = 0.0
    pairs: list[list[int]] = []
    """[changed, moved] sample pairs, first few."""
    module: str = ""
    """First module whose output mixed samples, if found."""
    node: int | None = None
    operation: str = ""
    """The torch function whose output first mixed samples, e.g. ``softmax``."""
    location: Location | None = None
    """The user's line that called it."""
    axis: int | None = None
    """The axis of the output along which samples lie (0 is usual); None if there is none."""
    reason: str = ""
    """Why it could not be told."""


class InputInfluence(Record):
    name: str
    gradient: bool | None = None
    """A non-zero gradient arrives at it; None for integers."""
    moved: float | None = None
    """Largest relative change of any output when it is replaced (noise, zeros, permuted tokens)."""
    constant: bool = False
    """The given value is constant (a mask of ones): nothing can be said."""
    train_only: bool = False
    """``moved`` was 0 in eval mode and is what was seen in train mode."""


class BatchTrial(Record):
    batch: int
    mode: Literal["eval", "train"]
    works: bool
    error: str = ""
    module: str = ""
    location: Location | None = None
    """The user's own line at which it failed."""


class RateTrial(Record):
    """The same steps at another learning rate, from the same start."""

    factor: float
    learning_rate: float
    losses: list[Number] = []
    steps: int = 0


class SilentParameter(Record):
    """A trainable parameter whose gradient was missing or exactly zero at every observed step: what else is known of it."""

    name: str
    elsewhere: bool | None = None
    """A non-zero gradient arrives on other batches (idle experts, embedding rows)."""
    moves: float | None = None
    """Relative change of the loss when noise of its own scale is added to it: 0 means that nothing reads it."""


class Experiments(Record):
    """Short counterfactual runs, for what one run cannot tell."""

    nondeterminism: float | None = None
    """Largest difference of two eval forwards on one input, over the output's rms; 0 is deterministic."""
    nondeterminism_module: str = ""
    nondeterminism_node: int | None = None
    nondeterminism_operation: str = ""
    """The torch function whose output differed first, e.g. ``dropout``, ``randn``."""
    nondeterminism_location: Location | None = None
    nondeterminism_cause: Literal["random", "state", "kernel", ""] = ""
    """random: the same seed gives the same output. state: something that the first forward left behind. kernel: neither."""
    mixing: Mixing | None = None
    influence: list[InputInfluence] = []
    batches: list[BatchTrial] = []
    rates: list[RateTrial] = []
    sharpness: float | None = None
    """λmax of the loss's Hessian at the start, by power iteration."""
    output_spread: float | None = None
    """Spread over different samples in eval mode after BatchNorm calibration, over the output's rms."""
    output_spread_train: float | None = None
    output_std: float | None = None
    initial_spread: dict[str, float] = {}
    """module path -> spread between samples of its output at init, calibrated, in order of execution."""
    longer_losses: list[Number] = []
    """Losses of a continued run, when the verdict was near its limit."""
    higher_rate_losses: list[Number] = []
    """Losses of the same longer run at ten times the learning rate, when the longer run did not fall either."""
    mean_losses: list[Number] = []
    """[before, after] the longest run made, each the mean of several draws, where the loss is stochastic."""
    silent: list[SilentParameter] = []
    second_seed: list[Number] = []
    """Losses of the same probe under another seed, when a verdict was near its limit."""
    baseline_loss: float | None = None
    """The loss of the best constant prediction on the probe's batch, if it can be told."""
    without_softmax: list[Number] = []
    """Losses when the final softmax or sigmoid is undone before the loss."""
    exhausted: bool = False
    """The time budget ran out before all were done."""
    skipped: list[str] = []
    """What was not done, each with its reason: ``sharpness: the time was spent``."""
    seconds: float = 0.0
    timings: dict[str, float] = {}
    """Seconds that each experiment took."""


# ------------------------------------------------------------------------------------------------------------ profile


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


# ---------------------------------------------------------------------------------------------------- a watched script


class Series(Record):
    """Numbers over the steps of a run, thinned where there are many: each value is the mean of ``every`` neighbours."""

    steps: list[int] = []
    values: list[Number] = []
    every: int = 1


class OptimizerRun(Record):
    """One optimizer of a watched script."""

    name: str
    """Class name."""
    variable: str = ""
    """What the script calls it, where that can be told: ``opt_g``."""
    settings: dict[str, Scalar | list[float]] = {}
    tensors: int = 0
    elements: int = 0
    models: list[int] = []
    """Indices into :attr:`Run.models` of those whose parameters it holds."""
    steps: int = 0
    """Calls of ``step`` in all."""
    looked: int = 0
    """Steps after its first, at which the three counts below were taken."""
    piled: int = 0
    """Of these, steps before which its gradients had not been cleared since its step before, though a backward pass had added
    to them."""
    stale_gradients: int = 0
    """Of these, steps before which nothing had given it a gradient since its step before."""
    empty: int = 0
    """Of these, steps at which no parameter had a gradient at all."""
    backwards: int = 0
    """Backward passes that reached its parameters."""
    passes: float = 0.0
    """Backward passes that reached its parameters per step."""
    moved: bool | None = None
    """Its parameters hold other values than at first; None if that was not looked at."""
    closure: bool = False
    """It is stepped with a closure (LBFGS)."""
    frozen: int = 0
    """Tensors that it holds and that ask for no gradient, at the end."""
    orphans: list[str] = []
    """Parameters that it holds and that have left the model since it was made, by the name they had then."""
    orphan_tensors: int = 0
    location: Location | None = None
    """Where it is made."""
    step_location: Location | None = None
    losses: Series = msgspec.field(default_factory=Series)
    """Sum of the losses whose backward passes came before each step."""
    rates: Series = msgspec.field(default_factory=Series)
    """Learning rate of its first group."""


class ModelRun(Record):
    """One model that a watched script trains."""

    name: str
    cls: str
    variable: str = ""
    parameters: int = 0
    trainable: int = 0
    entries: list[str] = []
    """Paths of the modules through which it is called (``""``: itself)."""
    train_forwards: int = 0
    """Forwards that a backward pass followed."""
    steps_train_mode: int = 0
    steps_eval_mode: int = 0
    """Optimizer steps whose forward ran with the whole model in eval mode."""
    eval_after: int | None = None
    """The first step in eval mode that followed one in train mode."""
    dropout: list[str] = []
    """Its dropout modules that would drop something."""
    batchnorm: list[str] = []
    """Its batch normalisations that keep running statistics."""
    unheld: list[str] = []
    """Trainable parameters that received a non-zero gradient and are held by no optimizer."""
    unheld_elements: int = 0
    silent: list[str] = []
    """Trainable parameters in no optimizer that received no gradient either."""
    held: bool = True
    """Some optimizer was made for its parameters."""
    training: bool = True
    """It was in train mode at the end."""
    compiled: bool = False
    wrapped: list[str] = []
    """What it is wrapped in: ``DistributedDataParallel``."""
    location: Location | None = None
    """Where its class is defined."""
    call_location: Location | None = None
    """The script's line that calls it in training."""


class EvaluationRun(Record):
    """Forwards from which no backward pass came, in phases: runs of them between training steps."""

    model: int = 0
    phases: int = 0
    forwards: int = 0
    train_mode: int = 0
    """Phases in which dropout or batch normalisation ran in train mode."""
    affected: list[str] = []
    """The dropout and batch normalisation modules that did."""
    with_gradient: int = 0
    """Phases whose forwards built graphs."""
    losses: Series = msgspec.field(default_factory=Series)
    """Mean loss of each phase, at the optimizer step after which it came."""
    location: Location | None = None
    """The script's line that calls the model there."""


class LoaderRun(Record):
    """One data loader of a watched script."""

    dataset: str = ""
    """Class name."""
    samples: int | None = None
    batch: int | None = None
    workers: int = 0
    sampler: str = ""
    """Class of the sampler: ``RandomSampler``, ``SequentialSampler``."""
    batches: int = 0
    epochs: int = 0
    waited: float = 0.0
    """Seconds that the script waited for its batches."""
    starting: float = 0.0
    """Of these, until the first batch of each pass, where workers have to start."""
    training: bool = False
    """Its batches were trained on."""
    repeated: int = 0
    """Batches equal to the one before, of those compared."""
    compared: int = 0
    location: Location | None = None
    """The script's line that reads it."""


class LabelRun(Record):
    """The class labels of the training steps, in the order in which they came."""

    labels: int = 0
    classes: int = 0
    batches: int = 0
    changes: int = 0
    """Neighbouring labels that differ."""
    expected: float = 0.0
    """Changes that a shuffled order of the same labels would show: ``(n - 1) (1 - Σ p²)``."""
    constant: bool = False
    """The same labels in every batch."""
    sorted: bool = False
    """They never go down, but where an epoch begins anew."""
    per_batch: float = 0.0
    """Mean number of classes in a batch."""
    entropy: float = 0.0
    """Entropy of their distribution, nats: the cross-entropy of the best constant prediction."""


class SchedulerRun(Record):
    name: str
    optimizer: int = 0
    steps: int = 0
    early: bool = False
    """Its first step came before its optimizer's."""
    before: int = 0
    """Steps of it that came before the optimizer's of the same iteration."""
    location: Location | None = None


class RankRun(Record):
    """What one process of a distributed run saw."""

    rank: int
    steps: int = 0
    losses: Series = msgspec.field(default_factory=Series)
    gradient_norms: Series = msgspec.field(default_factory=Series)
    weights: float | None = None
    """Sum of all parameters at the end, to tell whether ranks hold the same ones."""
    step_seconds: float = 0.0
    """Median seconds per step."""
    waited: float = 0.0
    """Seconds spent waiting for the loader."""


class Run(Record):
    """A training script as it ran."""

    script: str = ""
    arguments: list[str] = []
    status: int | None = None
    """Exit status; None while it runs, or if it was killed."""
    steps: int = 0
    """Optimizer steps watched, of the optimizer that stepped most."""
    limit: int | None = None
    """--steps."""
    every: int = 0
    """--every; 0: the default schedule."""
    seconds: float = 0.0
    """From the first step to the last."""
    overhead: float = 0.0
    """Seconds spent by the watch itself, of these."""
    main: int = 0
    """Index of the model that the report shows."""
    models: list[ModelRun] = []
    optimizers: list[OptimizerRun] = []
    evaluations: list[EvaluationRun] = []
    loaders: list[LoaderRun] = []
    schedulers: list[SchedulerRun] = []
    labels: LabelRun | None = None
    losses: Series = msgspec.field(default_factory=Series)
    validation: Series = msgspec.field(default_factory=Series)
    gradient_norms: Series = msgspec.field(default_factory=Series)
    rates: Series = msgspec.field(default_factory=Series)
    step_seconds: Series = msgspec.field(default_factory=Series)
    step_median: float = 0.0
    """Median seconds from one optimizer step to the next, evaluation left out."""
    samples_per_second: float | None = None
    backwards: int = 0
    graphs_alive: int = 0
    """Losses of earlier steps whose graph was still in memory, of :attr:`graphs_looked`, at the worst look."""
    graphs_looked: int = 0
    graphs_location: Location | None = None
    scaler: bool = False
    """A GradScaler was used."""
    scale: Series = msgspec.field(default_factory=Series)
    skipped_steps: int = 0
    """Steps that the GradScaler left out because a gradient was not finite."""
    autocast: str = ""
    """dtype of autocast in the training forward."""
    children: int = 0
    """Processes that the script started."""
    ranks: list[RankRun] = []
    rank: int = 0
    world: int = 1
    seen: list[str] = []
    """What was seen, in words, where the script did not train."""


# ----------------------------------------------------------------------------------------------------------- pictures


class Raster(Record):
    """A small array of 8 bits a value, made smaller than the tensor that it shows."""

    shape: list[int]
    low: list[float]
    """What byte 0 stands for: one for all, or one for each entry of the leading axis."""
    high: list[float]
    """What byte 254 stands for, likewise. Byte 255 is NaN or Inf."""
    data: str
    """The bytes in row-major order, deflated (zlib), as base64."""


class Entry(Record):
    """One value of a vector: a feature of a table row, a class of an output."""

    index: int
    value: Number
    low: float | None = None
    """Smallest and largest of this column over the batch, where there is more than one sample."""
    high: float | None = None
    share: float | None = None
    """Softmax over all entries of its vector."""
    target: Number | None = None
    """What it was to be, where the data says so."""


class Picture(Record):
    """An input, an output or a target of the model, as something to look at."""

    name: str
    kind: Literal[
        "image", "channels", "classes", "tokens", "mask", "waveform", "series", "row", "scores", "values", "map", "none"
    ]
    """What is in the record by kind:

    * image: ``raster`` [sample, channel, y, x] with 1, 3 or 4 channels;
    * channels: likewise with any number, each a picture of its own;
    * classes: [sample, y, x], the index of a class at each place;
    * tokens: ``tokens``, and ``raster`` [sample, place] of long ones;
    * mask: [sample, place];
    * waveform: [2, time], smallest and largest of each stretch of the first sample; ``second`` is its spectrogram
      [frequency, time] in decibels;
    * series: [feature, time] of the first sample;
    * map: [y, x] of the first sample, what they are in ``axes``;
    * row: ``row``, the first sample's features;
    * scores: ``rows``, the largest entries of each sample; ``row``, the first sample's entries in their order;
    * values: ``row``, one number a sample;
    * none: it cannot be drawn, ``remarks`` say why."""
    tensor: TensorInfo | None = None
    """The whole tensor."""
    range: Range | None = None
    source: str = ""
    noise: bool = False
    """Drawn at random by us, so that it looks like nothing."""
    raster: Raster | None = None
    second: Raster | None = None
    """waveform: its spectrogram; channels: [sample, y, x], which channel is largest where."""
    axes: list[str] = []
    """What the raster's last two axes are, for a map: ``position``, ``feature``."""
    tokens: list[list[int]] = []
    """The first ids of the first sequences."""
    length: int = 0
    """Places of a whole sequence, series or waveform; entries of a whole vector."""
    rows: list[list[Entry]] = []
    row: list[Entry] = []
    remarks: list[str] = []
    """How it was read, in sentences."""
    warnings: list[str] = []
    """What does not look right, in sentences."""


class Filters(Record):
    """The weights of the first layer that looks at pictures."""

    module: str
    parameter: str
    shape: list[int]
    """Of the whole weight."""
    raster: Raster
    """[filter, channel, y, x]; one scale for all, zero in its middle."""
    zero: list[int] = []
    """Filters that are zero everywhere, of all there are; the first 64."""


class Maps(Record):
    """What some channels of one layer answer to the first sample, in eval mode before any training."""

    module: str
    """Where the operation ran."""
    operation: str
    shape: list[int]
    """Of the whole output."""
    channels: list[int]
    """Those drawn."""
    raster: Raster
    """[channel, y, x], or [channel, time] of a one-dimensional layer; one scale for all."""
    dead: list[int] = []
    """Channels that are exactly zero at every place of every sample, of all there are; the first 64."""
    dead_count: int = 0


class Pictures(Record):
    """What goes in, what comes out, and the first layers' own pictures: a few samples, made small."""

    inputs: list[Picture] = []
    outputs: list[Picture] = []
    """Of the model as it was given, in eval mode."""
    targets: list[Picture] = []
    labels: list[Number] = []
    """The target of each sample shown, where it is one number."""
    filters: Filters | None = None
    maps: list[Maps] = []
    """In order of execution."""
    samples: int = 0
    """Samples in the batch that was shown to the model; 0 where the inputs share no leading axis."""
    user: bool = False
    """From the user's own data."""


# -------------------------------------------------------------------------------------------------------- breakpoints


class BreakTensor(Record):
    """One tensor that was at hand where a breakpoint stopped."""

    name: str
    """The user's own name for it in the frame (``x``, ``self.scale``), or ``here.output`` and the like."""
    tensor: TensorInfo
    range: Range | None = None
    requires_grad: bool = False


class Break(Record):
    """A breakpoint (``--break-on``) that was hit, with what was at hand."""

    what: str
    """As the user wrote it: ``nan``, ``forward:layer2.0``, ``step:100``."""
    kind: Literal["nan", "explode", "dead", "forward", "backward", "finding", "step", "error"]
    text: str
    """One sentence: what happened, with the measurement and the limit."""
    step: int = 0
    """Optimizer steps made before it."""
    phase: Literal["forward", "loss", "backward", "step", ""] = ""
    module: str | None = None
    """Dotted path in the watched model; None when it belongs to no module."""
    cls: str = ""
    operation: str = ""
    """The torch function, or the node of the autograd graph."""
    location: Location | None = None
    """The user's line that ran."""
    made: Location | None = None
    """Backward: the line of the forward that built the node."""
    tensors: list[BreakTensor] = []
    values: dict[str, Number] = {}
    """Numbers with names: ``{"gradient_norm": 1e7, "limit": 1e6}``."""
    terminal: bool = False
    """The debugger was opened."""


# ------------------------------------------------------------------------------------------------------------- source


class SourceClass(Record):
    name: str
    line: int
    end: int
    used: bool = False
    """An instance of it is in the model (or it is a base of one)."""


class SourceFile(Record):
    """A file of the user's that defines the model. The text is there for the checks, and left out of a saved report."""

    path: str
    text: str = ""
    classes: list[SourceClass] = []
    target: bool = False
    """It is the file that TARGET names."""


# ------------------------------------------------------------------------------------------------------------ together


class Stage(Record, omit_defaults=False):
    """One stage of the inspection."""

    name: str
    state: Literal["ok", "failed", "skipped", "running", "timeout", "killed"] = "ok"
    seconds: float = 0.0
    error: str = ""
    """One line; why it failed or was skipped."""


class Facts(Record):
    """All that is known. A part that was not gathered is ``None`` (or empty); a check that needs it does not apply."""

    environment: Environment = msgspec.field(default_factory=Environment)
    target: Target = msgspec.field(default_factory=Target)
    tree: Tree | None = None
    graph: Graph | None = None
    reach: Reach | None = None
    weights: Weights | None = None
    probe: Probe | None = None
    experiments: Experiments | None = None
    profile: Profile | None = None
    run: Run | None = None
    """The watched training script; then ``probe`` holds what was observed in it, and no copy was trained."""
    breaks: list[Break] = []
    """Breakpoints that were hit, in their order."""
    pictures: Pictures | None = None
    source: list[SourceFile] = []
    failures: list[Failure] = []
    notes: list[str] = []
    """Things the reader should know about how the facts were got, one sentence each."""
