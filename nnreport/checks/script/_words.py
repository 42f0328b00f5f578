"""How the checks of this group name models, optimizers and their parts, and what they all ask of a run."""

from __future__ import annotations

from collections.abc import Sequence

from nnreport.checks.lookup import lookup
from nnreport.facts import Facts, ModelRun, OptimizerRun, Run


def model_name(model: ModelRun) -> str:
    """``net (SimpleNet)``, or the class alone where the script gives it no name."""
    return f"{model.variable} ({model.name})" if model.variable and model.variable != model.name else model.name


def optimizer_name(optimizer: OptimizerRun) -> str:
    """``opt_g (Adam)``."""
    return f"{optimizer.variable} ({optimizer.name})" if optimizer.variable else optimizer.name


def models_of(run: Run, optimizer: OptimizerRun) -> str:
    """What the optimizer trains, in words: ``net (SimpleNet)``; empty where that is no model of the script's."""
    return " and ".join(model_name(run.models[i]) for i in optimizer.models[:3] if i < len(run.models))


def root_of(run: Run, optimizer: OptimizerRun) -> str | None:
    """The module of a finding about all that an optimizer trains: the root if that is the model of the report."""
    return "" if optimizer.models == [run.main] else None


def common_module(names: Sequence[str]) -> str:
    """Path of the deepest module that holds all these parameters; ``""`` if only the root does."""
    owners = [name.split(".")[:-1] for name in names]
    shared = []
    for parts in zip(*owners, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def modules_of(names: Sequence[str], depth: int = 1) -> list[str]:
    """The outermost modules below the common one, that hold these parameters, in their order."""
    lead = common_module(names)
    start = len(lead.split(".")) if lead else 0
    return list(dict.fromkeys(".".join(name.split(".")[:-1][: start + depth]) for name in names))


def in_report(facts: Facts, run: Run, model: int, path: str) -> str | None:
    """The path as the report's tree has it; None where the module is not in it.

    A script that calls its model through one part of it has that part for the report's root.
    """
    if model != run.main or facts.tree is None:
        return None
    known = lookup(facts)
    if known.module(path) is not None:
        return path
    for entry in run.models[model].entries:
        if entry and (path == entry or path.startswith(entry + ".")) and known.module(path[len(entry) + 1 :]) is not None:
            return path[len(entry) + 1 :]
    return None


def times(count: int, noun: str) -> str:
    """``1 step``, ``30 steps``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cut_short(facts: Facts, run: Run) -> bool:
    """The script did not come to its own end under watch: it failed, was ended, or the watch was over before."""
    return bool(facts.failures) or run.status not in (0, None) or (run.limit is not None and run.steps >= run.limit)
