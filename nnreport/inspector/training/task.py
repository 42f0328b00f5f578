"""A task: everything that one training step of a copy needs. Data, loss, optimizer and device, decided once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from nnreport.errors import UsageError
from nnreport.facts import DataInfo, Failure, LossInfo, OptimizerInfo
from nnreport.inspector.blame import function_location, training_failure
from nnreport.inspector.clone import CloneError, clone
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.choice import choose
from nnreport.inspector.training.losses import Objective, callable_objective, loss_name, named_objective
from nnreport.inspector.training.optimizers import OptimizerPlan, default_plan, plan_callable, plan_hinted, plan_named
from nnreport.inspector.training.outputs import named_tensors, prediction
from nnreport.inspector.training.targets import describe_target

if TYPE_CHECKING:
    from nnreport.inspector.feeding.data import Batch, Data
    from nnreport.inspector.loading.load import Loaded
    from nnreport.job import Job


ONE_VALUE = "Expected more than 1 value per channel"
"""What batch norm says of a batch of one."""


@dataclass
class Trial:
    """What one train-mode forward on the first batch gave, before anything was decided."""

    output: Any
    shape: torch.Size | None = None
    """Of the prediction."""
    dtype: torch.dtype = torch.float32
    stochastic: bool = False


class Task:
    """One training task.

    Attributes:
        data: the batches, each with its target filled in (``.first``, ``.fresh(i)``, ``.user``, ``.info``).
        objective: ``(output, batch) -> scalar``; its ``info`` says what it is.
        plan: makes the optimizer of a copy; its ``info`` says what it is.
        device: where copies are trained.
        seed: of everything random.
        failures: of the user's code, met while the task was made or run.
        reason: why no step can be made; empty if one can.
        stochastic: two train-mode forwards on one batch differed.
        mode: in which copies are trained; ``eval`` only where train mode cannot take the batch there is.
    """

    def __init__(self, data: Data, objective: Objective, plan: OptimizerPlan, device: torch.device, seed: int) -> None:
        self.objective = objective
        self.plan = plan
        self.device = device
        self.seed = seed
        self.failures: list[Failure] = []
        self.reason = ""
        self.stochastic = False
        self.changes_inputs = True  # until the trial shows that it does not
        self.mode: Literal["train", "eval"] = "train"
        self.trial = Trial(None)
        self.data = LabelledData(data, self)

    @property
    def loss_info(self) -> LossInfo:
        return self.objective.info

    @property
    def optimizer_info(self) -> OptimizerInfo:
        return self.plan.info

    def new_optimizer(self, model: nn.Module, factor: float = 1.0) -> torch.optim.Optimizer:
        """An optimizer of ``model``'s parameters at ``factor`` times its rate. Raises what the user's callable raises."""
        return self.plan(model, factor)

    def labelled(self, batch: Batch) -> Batch:
        """``batch`` on the device, with a made-up target where it has none and the loss wants one; always the same for it."""
        batch = on_device(batch, self.device)
        recipe, trial = self.objective.recipe, self.trial
        if batch.target is not None or recipe is None or trial.shape is None:
            return batch
        shape = trial.shape
        size = batch_size(batch)
        given = batch_size(self.data.raw.first)
        if size is not None and given and len(shape) and shape[0] == given:
            shape = torch.Size([size, *shape[1:]])
        target = recipe.make(shape, trial.dtype, batch, self.seed).to(self.device)
        key = self.objective.label_argument
        return replace(batch, kwargs={**batch.kwargs, key: target}) if key else replace(batch, target=target)

    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """The model's whole output for a labelled batch. A model that changes its inputs in place is given copies."""
        if self.changes_inputs:
            from nnreport.inspector.feeding.nested import map_tensors

            args, kwargs = map_tensors((batch.args, batch.kwargs), torch.clone)
            return model(*args, **kwargs)
        return model(*batch.args, **batch.kwargs)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
        """(scalar loss, output). Raises what the user's code raises."""
        output = self.forward(model, batch)
        return self.objective(output, batch), output

    def step(self, model: nn.Module, optimizer: Any, batch: Batch, between: Callable[[], None] | None = None) -> Tensor:
        """One step: forward, loss, backward, update. Gives the loss before the update, detached.

        Args:
            model: a copy, in the mode it should run in.
            optimizer: from :meth:`new_optimizer`.
            batch: a labelled one.
            between: called after the (first) backward, before the update.
        """
        if needs_closure(optimizer):
            return self.closure_step(model, optimizer, batch, between)
        optimizer.zero_grad()
        loss, _ = self.loss(model, batch)
        loss.backward()
        if between is not None:
            between()
        optimizer.step()
        return loss.detach()

    def closure_step(self, model: nn.Module, optimizer: Any, batch: Batch, between: Callable[[], None] | None) -> Tensor:
        """A step of an optimizer that evaluates the loss itself, as often as it likes."""
        first: list[Tensor] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss, _ = self.loss(model, batch)
            loss.backward()
            if not first:
                first.append(loss.detach())
                if between is not None:
                    between()
            return loss

        optimizer.step(closure)
        return first[0]

    def prediction(self, output: Any) -> tuple[str, Tensor] | None:
        """(key path, tensor) that the loss reads."""
        return prediction(output)


class LabelledData:
    """The data as the task sees it: on its device, targets filled in."""

    def __init__(self, data: Data, task: Task) -> None:
        self.raw = data
        self.task = task
        self.known: Batch | None = None

    @property
    def user(self) -> bool:
        """The batches are the user's own."""
        return self.raw.user

    @property
    def info(self) -> DataInfo:
        """What the report says of it, the made-up target too."""
        info = self.raw.info
        if info.target is None:
            target = self.first.target
            if target is None and self.task.objective.label_argument:
                target = self.first.kwargs.get(self.task.objective.label_argument)
            info.target = describe_target(target, self.first)
        return info

    @property
    def first(self) -> Batch:
        """The fixed batch."""
        if self.known is None:
            self.known = self.task.labelled(self.raw.first)
        return self.known

    def fresh(self, i: int) -> Batch:
        """Another batch."""
        return self.task.labelled(self.raw.fresh(i))


def needs_closure(optimizer: Any) -> bool:
    """LBFGS and its like: ``step`` has no use without a closure."""
    import inspect

    try:
        argument = inspect.signature(type(optimizer).step).parameters.get("closure")
    except (TypeError, ValueError):
        return False
    return argument is not None and argument.default is argument.empty


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on ``device``; itself where they are there."""
    tensors = [t for _, t in named_tensors((batch.args, batch.kwargs, batch.target))]
    if all(t.device.type == device.type for t in tensors):
        return batch
    from nnreport.inspector.feeding.nested import map_tensors

    def move(value: Any) -> Any:
        return map_tensors(value, lambda tensor: tensor.to(device))

    return replace(batch, args=move(batch.args), kwargs=move(batch.kwargs), target=move(batch.target))


def batch_size(batch: Batch) -> int | None:
    """Leading axis of the first tensor input."""
    return next((t.shape[0] for _, t in named_tensors((batch.args, batch.kwargs)) if t.dim()), None)


# ------------------------------------------------------------------------------------------------------- making a task


def make_task(
    model: nn.Module,
    data: Data,
    job: Job,
    loaded: Loaded | None,
    device: torch.device | str,
    source_hints: dict[str, Any] | None = None,
    loss: Any = None,
    optimizer: Any = None,
) -> Task:
    """Decides loss and optimizer. The model is not changed: two or three forwards run on a copy.

    Args:
        model: the user's.
        data: batches; a missing target is made up to fit the loss.
        job: ``loss``, ``optimizer`` and ``seed`` as the user wrote them.
        loaded: where the model came from.
        device: where copies are trained.
        source_hints: ``loss`` and ``optimizer`` that the target's own file names, ``loss_location``, ``optimizer_location``.
        loss: a callable, in place of ``job.loss``.
        optimizer: a callable, in place of ``job.optimizer``.

    Raises:
        UsageError: ``--loss`` or ``--optimizer`` cannot be used. What the user's code raises is in ``failures`` instead.
    """
    hints = source_hints or {}
    seed = job.seed
    given = given_objective(job.loss, loss, seed)
    plan = given_plan(job.optimizer, optimizer, seed)
    if plan is None and hints.get("optimizer"):
        plan = plan_hinted(hints["optimizer"], hints.get("optimizer_location"))
    plan = plan or default_plan()
    from nnreport.inspector.training.inference import surrogate

    task = Task(data, given or surrogate(None, seed, "no loss is known"), plan, torch.device(device), seed)
    try:
        copy = clone(model).to(task.device)
    except CloneError as error:
        task.reason = f"the model cannot be copied: {error}"
        return task
    copy.train()
    if not any(p.requires_grad for p in copy.parameters()):
        task.reason = "it has no trainable parameter"
    batch = on_device(data.first, task.device)
    with seeded(seed, task.device), torch.enable_grad():
        if not run_trial(task, copy, batch):
            return task
        choose_objective(task, copy, batch, given, hints)
        try:
            plan.describe(copy, task.new_optimizer(copy))
        except Exception as error:
            if any(p.requires_grad for p in copy.parameters()):
                task.failures.append(training_failure(error, "optimizer"))
                task.reason = f"the optimizer failed: {type(error).__name__}: {error}"
    task.trial.output = None  # it holds the graph and the copy
    return task


def given_objective(text: str | None, function: Any, seed: int) -> Objective | None:
    """What ``--loss`` asks for; None if nothing."""
    if function is not None:
        return callable_objective(function, getattr(function, "__name__", "loss"), seed, function_location(function))
    if not text:
        return None
    if ":" in text:
        from nnreport.inspector.loading.load import load_object

        function = load_object(text, "--loss", seed)
        if not callable(function):
            raise UsageError(f"--loss {text}: that is a {type(function).__name__}, and no callable loss(output, target)")
        return callable_objective(function, text, seed, function_location(function))
    return named_objective(loss_name(text), seed)


def given_plan(text: str | None, function: Any, seed: int) -> OptimizerPlan | None:
    """What ``--optimizer`` asks for; None if nothing."""
    if function is not None:
        return plan_callable(function, getattr(function, "__name__", "optimizer"), function_location(function))
    if not text:
        return None
    head = text.partition(":")[0]
    if ":" in text and (head.endswith(".py") or "/" in head or ("." in head and "=" not in text)):
        from nnreport.inspector.loading.load import load_object

        function = load_object(text, "--optimizer", seed)
        if not callable(function):
            raise UsageError(
                f"--optimizer {text}: that is a {type(function).__name__}, and no callable that takes the parameters"
            )
        return plan_callable(function, text, function_location(function))
    return plan_named(text)


def run_trial(task: Task, copy: nn.Module, batch: Batch) -> bool:
    """Two forwards in train mode under two random states. False, with the failure recorded, if the forward fails."""
    try:
        try:
            output = task.forward(copy, batch)
        except ValueError as error:
            if task.data.user or ONE_VALUE not in str(error):
                raise
            copy.eval()  # one made-up sample is not what the user will train on: eval mode says what it can
            task.mode = "eval"
            output = task.forward(copy, batch)
        task.changes_inputs = False
        versions = [t._version for _, t in named_tensors((batch.args, batch.kwargs))]
        kept = clones(batch)
        with torch.no_grad():
            torch.manual_seed(task.seed + 1)
            second = task.forward(copy, batch)
        task.changes_inputs = versions != [t._version for _, t in named_tensors((batch.args, batch.kwargs))]
        if task.changes_inputs:
            for (_, tensor), value in zip(named_tensors((batch.args, batch.kwargs)), kept, strict=True):
                tensor.copy_(value)
    except Exception as error:
        task.failures.append(training_failure(error, "forward", copy, (batch.args, batch.kwargs)))
        task.reason = (
            f"the forward pass fails in train mode: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
        return False
    task.trial.output = output
    pairs = zip(named_tensors(output), named_tensors(second), strict=False)
    task.stochastic = any(a.shape != b.shape or not same_values(a, b) for (_, a), (_, b) in pairs)
    found = prediction(output)
    if found is not None:
        task.trial.shape, task.trial.dtype = found[1].shape, found[1].dtype
    return True


def clones(batch: Batch) -> list[Tensor]:
    """Copies of a batch's input tensors, in order."""
    return [t.detach().clone() for _, t in named_tensors((batch.args, batch.kwargs))]


def same_values(a: Tensor, b: Tensor) -> bool:
    """Equal to the bit, NaN counted as equal to NaN."""
    return a.layout != torch.strided or torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())


def choose_objective(task: Task, copy: nn.Module, batch: Batch, given: Objective | None, hints: dict[str, Any]) -> None:
    """The loss: given, else the model's own, else what the file names and fits, else what fits the output."""
    output = task.trial.output
    task.objective = choose(given, copy, output, batch, hints, task.seed, task.forward)
    if task.objective.module is not None:
        task.objective.module.to(task.device)
