"""Short counterfactual runs, for what one run cannot tell."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Number, Record


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
