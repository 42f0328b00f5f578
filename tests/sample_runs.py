"""The run of a make-believe script that trains two models on two ranks, for the renderers' tests."""

from __future__ import annotations

import math

from nnreport.facts import (
    EvaluationRun,
    LabelRun,
    LoaderRun,
    Location,
    ModelRun,
    OptimizerRun,
    RankRun,
    Run,
    SchedulerRun,
    Series,
)

STEPS = 400


def curve(start: float, end: float, every: int = 1, wobble: float = 0.05) -> Series:
    """A loss that falls from ``start`` to ``end`` over :data:`STEPS`."""
    steps = list(range(0, STEPS, every))
    values = [end + (start - end) * math.exp(-step / 80) + wobble * math.sin(step * 1.7) for step in steps]
    return Series(steps=steps, values=list(values), every=1)


def run_of(script: str = "train.py", name: str = "Generator", module: str = "") -> Run:
    """All that can be known of a run. ``name`` and ``module`` may be hostile."""
    line = Location(path=script, line=31, function="main", text="optimizer.step()")
    return Run(
        script=script,
        arguments=["--lr", "3e-4", "--name", "a b"],
        status=0,
        steps=STEPS,
        limit=None,
        seconds=83.2,
        overhead=1.4,
        models=[
            ModelRun(
                name=name, cls=f"__main__.{name}", variable="net_g", parameters=1_250_000, trainable=1_250_000, entries=[""],
                train_forwards=STEPS, steps_train_mode=STEPS, dropout=[module or "drop"], location=line, call_location=line,
            ),
            ModelRun(
                name="Critic", cls="__main__.Critic", variable="net_d", parameters=800_000, trainable=790_000,
                entries=["", "head"], train_forwards=2 * STEPS, wrapped=["DistributedDataParallel"], compiled=True, location=line,
            ),
        ],
        optimizers=[
            OptimizerRun(
                name="AdamW", variable="opt_g", settings={"lr": 3e-4, "betas": [0.9, 0.999], "weight_decay": 0.01}, tensors=40,
                elements=1_250_000, models=[0], steps=STEPS, looked=40, backwards=STEPS, passes=1.0, moved=True, location=line,
                step_location=line, losses=curve(2.3, 0.4), rates=curve(3e-4, 1e-5, wobble=0.0),
            ),
            OptimizerRun(
                name="SGD", variable="opt_d", settings={"lr": 0.1, "momentum": 0.9}, tensors=20, elements=790_000, models=[1],
                steps=STEPS, looked=40, backwards=2 * STEPS, passes=2.0, moved=True, location=line, losses=curve(1.4, 0.7),
                rates=curve(0.1, 0.1, wobble=0.0),
            ),
        ],
        evaluations=[EvaluationRun(model=0, phases=8, forwards=80, losses=curve(2.2, 0.6, 50), location=line)],
        loaders=[
            LoaderRun(
                dataset="ImageFolder", samples=50_000, batch=128, workers=4, sampler="RandomSampler", batches=STEPS, epochs=1,
                waited=9.5, training=True, compared=39, location=line,
            ),
            LoaderRun(dataset="ImageFolder", samples=5_000, batch=256, sampler="SequentialSampler", batches=80, waited=2.0),
        ],
        schedulers=[SchedulerRun(name="CosineAnnealingLR", steps=STEPS, location=line)],
        labels=LabelRun(labels=20_000, classes=10, batches=200, changes=17_900, expected=18_000.0, per_batch=9.9, entropy=2.3),
        losses=curve(2.3, 0.4),
        validation=curve(2.2, 0.6, 50),
        gradient_norms=curve(9.0, 0.5, 10),
        rates=curve(3e-4, 1e-5, wobble=0.0),
        step_seconds=curve(0.3, 0.2, wobble=0.01),
        step_median=0.204,
        samples_per_second=627.0,
        backwards=3 * STEPS,
        scaler=True,
        scale=curve(65536.0, 1024.0, 10, wobble=0.0),
        skipped_steps=2,
        autocast="bfloat16",
        ranks=[
            RankRun(rank=i, steps=STEPS, losses=curve(2.3, 0.4 + i / 10, 4), gradient_norms=curve(9.0, 0.5, 10), weights=12.5,
                    step_seconds=0.2 + i / 50, waited=9.5 + i)
            for i in range(2)
        ],
        rank=0,
        world=2,
    )  # fmt: skip
