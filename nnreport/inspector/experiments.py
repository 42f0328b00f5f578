"""Short counterfactual runs, for what one run cannot tell. The most telling come first; all share one budget of seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from torch import nn

from nnreport.facts import Experiments, Graph, Probe
from nnreport.inspector.seeding import seeded
from nnreport.inspector.trials.baseline import baseline
from nnreport.inspector.trials.clock import Clock, OutOfTime
from nnreport.inspector.trials.determinism import nondeterminism
from nnreport.inspector.trials.fitting import doubtful, longer, undone, without_softmax
from nnreport.inspector.trials.influence import influence
from nnreport.inspector.trials.lab import Lab, state_kept
from nnreport.inspector.trials.mixing import mixing
from nnreport.inspector.trials.pool import NoBatch
from nnreport.inspector.trials.rates import rated, rates, sgd, sharpness
from nnreport.inspector.trials.silent import silent, silent_names
from nnreport.inspector.trials.sizes import batch_sizes
from nnreport.inspector.trials.spread import spreads

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample
    from nnreport.inspector.training.task import Task


@dataclass
class Experiment:
    """One question.

    Attributes:
        name: as the report writes it where it was skipped.
        run: fills its fields of the record.
        asked: whether the question arises for this model at all.
    """

    name: str
    run: Callable[[Lab, Experiments], None]
    asked: Callable[[Lab], bool] = lambda lab: True


def trained(lab: Lab) -> bool:
    """There is a training step, and the probe made one."""
    return lab.task is not None and lab.probe is not None and not lab.task.reason


STILL = (
    Experiment("best constant prediction", baseline, trained),
    Experiment("two forwards of one input", nondeterminism),
    Experiment("samples that move each other", mixing),
    Experiment("influence of each input", influence),
    Experiment("spread between samples", spreads),
    Experiment("other batch sizes", batch_sizes),
)
"""What needs no training."""
TRAINING = (
    Experiment("parameters without a gradient", silent, lambda lab: trained(lab) and bool(silent_names(lab.probe))),
    Experiment("softmax undone", without_softmax, lambda lab: trained(lab) and bool(undone(lab.probe))),
    Experiment("sharpness", sharpness, lambda lab: trained(lab) and sgd(lab)),
    Experiment("other learning rates", rates, lambda lab: trained(lab) and rated(lab)),
    Experiment("more steps", longer, lambda lab: trained(lab) and doubtful(lab)),
)
"""What trains further copies."""


def run_experiments(
    model: nn.Module,
    sample: Sample,
    task: Task | None,
    probe: Probe | None,
    graph: Graph | None,
    budget: float,
    seed: int | None = None,
) -> Experiments:
    """All experiments that apply, in order of value, on copies of ``model``.

    Args:
        model: the user's; never run nor changed.
        sample: the example input.
        task: None where no training step can be made; then only what needs none is done.
        probe: what the training steps showed, likewise.
        graph: the recorded forward, for names of operations.
        budget: seconds for all together.
        seed: of everything random; None: the task's.

    Never raises for what the model does: an experiment that fails leaves its fields unset and its reason in ``skipped``.
    """
    seed = seed if seed is not None else int(getattr(task, "seed", 0) or 0)
    found = Experiments()
    lab = Lab(model, sample, task, probe, graph, Clock(budget), seed)
    with seeded(seed, lab.device), state_kept():
        for experiment in STILL:
            perform(experiment, lab, found)
        lab.release()
        for experiment in TRAINING:
            perform(experiment, lab, found)
    found.seconds = lab.clock.spent
    return found


def perform(experiment: Experiment, lab: Lab, found: Experiments) -> None:
    """Does one experiment, or says why not."""
    start = perf_counter()
    reason = ""
    try:
        if not experiment.asked(lab):
            return
        lab.clock.check()
        experiment.run(lab, found)
    except OutOfTime:
        found.exhausted = True
        reason = "the time was spent"
    except NoBatch as why:
        reason = str(why)
    except (Exception, SystemExit) as error:
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        reason = f"{type(error).__name__}: {text}"[:200]
    if reason:
        found.skipped.append(f"{experiment.name}: {reason}")
    found.timings[experiment.name] = perf_counter() - start
