"""``--optimizer``: a name of torch.optim with arguments, or the user's own callable, made into an optimizer of a copy.

The grammar is ``NAME[:key=value,...]``: ``sgd:lr=0.1,momentum=0.9,nesterov=true``, ``adamw:betas=(0.9,0.95)``. Values are
literals, never code.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import Location, OptimizerInfo, Scalar
from nnreport.inspector.training.lightstep import lighten, without_compiler

DEFAULT = "adam:lr=1e-3"
NOT_SETTINGS = {"params", "foreach", "capturable", "differentiable", "fused", "maximize"}
"""Arguments of torch's optimizers that say how, not what: left out of the report unless given."""


class OptimizerPlan:
    """How to make the optimizer of any copy of the model, and what the report says of it."""

    def __init__(self, make: Callable[[nn.Module], torch.optim.Optimizer], info: OptimizerInfo) -> None:
        self.make = make
        self.info = info

    def __call__(self, model: nn.Module, factor: float = 1.0) -> torch.optim.Optimizer:
        """An optimizer of ``model``'s parameters whose ``step`` does not import the compiler.

        Args:
            model: the copy to train.
            factor: multiplies every group's learning rate (a counterfactual run at another rate).

        Raises:
            whatever the user's callable, or torch's constructor, raises.
        """
        with without_compiler():
            optimizer = self.make(model)
        if not hasattr(optimizer, "param_groups") or not callable(getattr(optimizer, "step", None)):
            raise TypeError(f"{self.info.name} gave a {type(optimizer).__name__}, which is no optimizer")
        if factor != 1.0:
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * factor
        return lighten(optimizer)

    def describe(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Fills ``info`` with what ``optimizer`` holds of ``model``'s parameters, and its settings."""
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self.info.parameters = len(held)
        self.info.missing = [n for n, p in model.named_parameters() if p.requires_grad and id(p) not in held]
        group = optimizer.param_groups[0]
        rate = group.get("lr", 0.0)
        self.info.learning_rate = float(rate)
        if self.info.user and not self.info.settings:
            self.info.settings = dict(readable(group))
        if self.info.source == "given" and not self.info.name.startswith(type(optimizer).__name__):
            self.info.name = f"{type(optimizer).__name__} of {self.info.name}"


def readable(group: dict[str, Any]) -> Iterator[tuple[str, Scalar | list[float]]]:
    """The settings of one parameter group that a reader would write down himself."""
    for key, value in group.items():
        if key in NOT_SETTINGS and not value:
            continue
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, (bool, int, float, str)) or value is None:
            yield key, value
        elif isinstance(value, (tuple, list)) and all(isinstance(v, (int, float)) for v in value):
            yield key, [float(v) for v in value]


def known_optimizers() -> dict[str, type[torch.optim.Optimizer]]:
    """torch.optim's classes by their lower-case names."""
    found = {}
    for name, cls in vars(torch.optim).items():
        if inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer:
            found[name.lower()] = cls
    return found


def plan_named(text: str) -> OptimizerPlan:
    """``sgd:lr=0.1,momentum=0.9`` made into a plan.

    Raises:
        UsageError: no such name, no such argument, or a value that the optimizer refuses.
    """
    name, _, rest = text.partition(":")
    known = known_optimizers()
    short = name.strip().rpartition(".")[2].lower().replace("_", "")
    cls = known.get(short)
    if cls is None:
        close = difflib.get_close_matches(short, known, 1, 0.6)
        meant = (
            f"did you mean {known[close[0]].__name__}?" if close else f"it has {', '.join(c.__name__ for c in known.values())}"
        )
        raise UsageError(f"--optimizer {text}: torch.optim has no {name.strip()!r}; {meant} (or FILE:CALLABLE for your own)")
    settings = parse_settings(rest, f"--optimizer {text}")
    signature = inspect.signature(cls.__init__)
    for key in settings:
        if key not in signature.parameters or key in ("self", "params"):
            raise UsageError(f"--optimizer {text}: {cls.__name__} has no argument {key!r}; it takes {spell(signature)}")
    required = [
        p.name
        for p in list(signature.parameters.values())[2:]
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in settings
    ]
    if required:
        raise UsageError(f"--optimizer {text}: {cls.__name__} also needs {', '.join(required)}; it takes {spell(signature)}")
    try:
        with without_compiler():
            cls([nn.Parameter(torch.zeros(2, 2))], **settings)
    except Exception as error:
        raise UsageError(f"--optimizer {text}: {cls.__name__} refuses that: {str(error).splitlines()[0] or error!r}") from None

    def make(model: nn.Module) -> torch.optim.Optimizer:
        return cls([p for p in model.parameters() if p.requires_grad], **settings)

    info = OptimizerInfo(name=cls.__name__, user=True, source="given")
    info.settings = dict(readable(settings))
    return OptimizerPlan(make, info)


def spell(signature: inspect.Signature) -> str:
    """An optimizer's own arguments with their defaults, for a line of help."""
    parts = []
    for parameter in signature.parameters.values():
        if parameter.name not in {"self"} | NOT_SETTINGS:
            parts.append(parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default}")
    return ", ".join(parts)


def parse_settings(text: str, option: str) -> dict[str, Any]:
    """``lr=0.1,betas=(0.9,0.95),nesterov=true`` as a dict; ``betas=0.9,0.95`` is understood too.

    Raises:
        UsageError: a part without a name, or a value that is no literal.
    """
    parts: list[str] = []
    depth = 0
    for piece in text.split(","):
        if parts and (depth > 0 or "=" not in piece):
            parts[-1] += "," + piece
        else:
            parts.append(piece)
        depth += sum(piece.count(c) for c in "([{") - sum(piece.count(c) for c in ")]}")
    settings: dict[str, Any] = {}
    for part in parts:
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise UsageError(f"{option}: {part.strip()!r} should be NAME=VALUE, e.g. lr=0.1")
        settings[key.strip()] = literal(value.strip(), key.strip(), option)
    return settings


def literal(text: str, key: str, option: str) -> Any:
    """A Python literal; ``true``, ``false`` and ``none`` in any case."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise UsageError(f"{option}: the value of {key} should be a number, true, false or a tuple, found {text!r}") from None


def plan_callable(function: Callable[..., Any], spec: str, location: Location | None = None) -> OptimizerPlan:
    """The user's own callable: it is given the parameters, or the model if its argument is called ``model``, ``net`` or
    ``module``."""
    wants_model = False
    try:
        arguments = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        wants_model = bool(arguments) and arguments[0].name in ("model", "net", "module", "network")
    except (TypeError, ValueError):
        pass

    def make(model: nn.Module) -> torch.optim.Optimizer:
        made = function(model if wants_model else [p for p in model.parameters() if p.requires_grad])
        return made[0] if isinstance(made, (tuple, list)) and made else made  # (optimizer, scheduler)

    name = getattr(function, "__name__", type(function).__name__)
    return OptimizerPlan(make, OptimizerInfo(name=name, user=True, source="given", location=location))


def default_plan() -> OptimizerPlan:
    """Adam at 1e-3, which the report marks as ours, not the user's."""
    plan = plan_named(DEFAULT)
    plan.info.user = False
    plan.info.source = "default"
    return plan


def plan_hinted(text: str, location: Location | None) -> OptimizerPlan | None:
    """The optimizer that the target's own file names; None if it cannot be made from that."""
    try:
        plan = plan_named(text)
    except UsageError:
        return None
    plan.info.user = False
    plan.info.source = "file"
    plan.info.location = location
    return plan
