"""A training script of the user's own, as it ran."""

from __future__ import annotations

import msgspec

from nnreport.facts.base import Location, Number, Record, Scalar


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
    """Seconds of these that the watch itself took."""
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
