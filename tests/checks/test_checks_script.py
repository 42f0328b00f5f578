"""Each check of a watched training script, on records made by hand: a sick one, and healthy ones that look like it."""

import msgspec
import pytest
from kit import from_facts

from nnreport.checks.learning import learning
from nnreport.facts import (
    ActivationSeries,
    EvaluationRun,
    Experiments,
    Facts,
    Failure,
    LabelRun,
    LoaderRun,
    Location,
    LossInfo,
    ModelRun,
    Module,
    OptimizerInfo,
    OptimizerRun,
    Parameter,
    Probe,
    RankRun,
    Run,
    SchedulerRun,
    Series,
    Tree,
)

STEP = Location(path="train.py", line=9, text="opt.step()")


def model(**fields):
    return ModelRun(**{"name": "Net", "cls": "Net", "variable": "net", "trainable": 100, "entries": [""], **fields})


def optimizer(**fields):
    given = {"name": "Adam", "variable": "opt", "tensors": 4, "models": [0], "steps": 40, "looked": 30, "backwards": 40}
    return OptimizerRun(**{**given, "moved": True, "step_location": STEP, **fields})


def facts(probe=None, failures=(), tree=None, **fields):
    run = Run(**{"steps": 40, "status": 0, "backwards": 40, "models": [model()], "optimizers": [optimizer()], **fields})
    return Facts(run=run, probe=probe, failures=list(failures), tree=tree)


def series(values, every=1, start=0):
    return Series(steps=[start + every * i for i in range(len(values))], values=list(values), every=every)


def tree():
    names = ["tower.fc1", "tower.fc2", "head"]
    modules = [Module(path="", cls="Net"), Module(path="tower", cls="Sequential")]
    modules += [Module(path=name, cls="torch.nn.modules.linear.Linear", kind="Linear") for name in names]
    return Tree(
        modules=modules, parameters=[Parameter(name=f"{n}.weight", module=n, shape=[5, 5], dtype="float32") for n in names]
    )


def one(slug, given):
    found = from_facts(slug, given)
    assert len(found) == 1, found
    assert found[0].check == slug
    return found[0]


def test_gradients_that_pile_up_are_an_error_at_the_line_that_steps():
    found = one("missing-zero-grad", facts(optimizers=[optimizer(piled=29)]))
    assert found.severity == "error"
    assert found.location == STEP
    assert "opt" in found.code
    assert "net" in found.message


@pytest.mark.parametrize("fields", [{"piled": 0}, {"piled": 2, "looked": 2}, {"piled": 10}, {"piled": 0, "passes": 4.0}])
def test_gradients_that_are_cleared_are_none(fields):
    assert not from_facts("missing-zero-grad", facts(optimizers=[optimizer(**fields)]))


def test_steps_without_a_backward_pass():
    given = facts(backwards=0, optimizers=[optimizer(stale_gradients=30, empty=30, backwards=0, moved=False)])
    assert "backward()" in one("missing-backward", given).fix
    detached = facts(optimizers=[optimizer(stale_gradients=30, empty=30, backwards=0, moved=False)])
    assert "detach" in one("missing-backward", detached).fix


@pytest.mark.parametrize(
    "fields",
    [
        {"stale_gradients": 20},
        {"stale_gradients": 30, "closure": True},
        {"stale_gradients": 30, "backwards": 0, "moved": True},
        {"stale_gradients": 30, "backwards": 0, "moved": False, "frozen": 4},
    ],
    ids=["now and then", "closure", "moved by hand", "frozen"],
)
def test_steps_that_may_be_without(fields):
    assert not from_facts("missing-backward", facts(optimizers=[optimizer(**fields)]))


def test_an_optimizer_that_is_never_stepped():
    idle = optimizer(steps=0, looked=0, moved=False)
    assert one("missing-step", facts(steps=0, optimizers=[idle])).severity == "error"
    assert "opt" in one("missing-step", facts(optimizers=[optimizer(variable="opt_d"), idle])).message


@pytest.mark.parametrize(
    ("fields", "run"),
    [
        ({"moved": True}, {}),
        ({"backwards": 2}, {}),
        ({}, {"status": 1}),
        ({}, {"status": None}),
        ({}, {"limit": 40}),
        ({}, {"failures": [Failure(phase="script", exception="KeyError", message="")]}),
    ],
    ids=["by hand", "hardly begun", "failed", "still running", "watch over", "raised"],
)
def test_a_step_that_may_still_come(fields, run):
    idle = optimizer(**{"steps": 0, "looked": 0, "moved": False, **fields})
    assert not from_facts("missing-step", facts(optimizers=[optimizer(), idle], **run))


def test_parameters_in_no_optimizer_are_named_by_their_module():
    unheld = ["tower.fc1.weight", "tower.fc2.weight"]
    found = one("optimizer-misses-parameters", facts(models=[model(unheld=unheld, unheld_elements=50)], tree=tree()))
    assert (found.severity, found.module) == ("error", "tower")
    lost = one("optimizer-misses-parameters", facts(models=[model(unheld=["head.weight"], unheld_elements=25)], tree=tree()))
    assert (lost.severity, lost.module) == ("error", "head")


def test_a_model_that_no_optimizer_was_made_for():
    forgotten = model(variable="decoder", unheld=["0.weight"], unheld_elements=100, held=False)
    assert "decoder" in one("optimizer-misses-parameters", facts(models=[model(), forgotten])).message
    frozen = msgspec.structs.replace(forgotten, training=False)
    assert not from_facts("optimizer-misses-parameters", facts(models=[model(), frozen]))
    assert not from_facts("optimizer-misses-parameters", facts(models=[forgotten])), "an attack holds no model at all"


def test_a_linear_probe_is_a_note():
    left = ["tower.fc1.weight", "tower.fc2.weight"]
    assert (
        one("optimizer-misses-parameters", facts(models=[model(unheld=left, unheld_elements=80)], tree=tree())).severity == "note"
    )


def test_an_optimizer_that_outlived_its_parameters():
    found = one("stale-optimizer", facts(optimizers=[optimizer(orphans=["head.weight"], orphan_tensors=1)], tree=tree()))
    assert found.module == "head"
    assert not from_facts("stale-optimizer", facts())


def test_a_model_made_anew_after_its_optimizer():
    twin = model(held=False, unheld=["0.weight"], unheld_elements=100)
    idle = optimizer(stale_gradients=30, backwards=0, moved=False)
    assert "made anew" in one("stale-optimizer", facts(models=[model(), twin], optimizers=[idle])).why
    assert not from_facts("stale-optimizer", facts(models=[model(), twin])), "its own model gets gradients"


def test_training_in_eval_mode():
    found = one(
        "eval-mode-training", facts(models=[model(steps_train_mode=10, steps_eval_mode=30, eval_after=10, dropout=["d"])])
    )
    assert "step 10" in found.message
    assert "d drops nothing" in found.why
    assert not from_facts("eval-mode-training", facts(models=[model(steps_train_mode=40)]))
    assert not from_facts("eval-mode-training", facts(models=[model(steps_train_mode=38, steps_eval_mode=2)]))


def test_evaluation_in_train_mode():
    sick = EvaluationRun(phases=4, forwards=8, train_mode=4, affected=["drop"])
    assert "drop" in one("train-mode-evaluation", facts(models=[model(dropout=["drop"])], evaluations=[sick])).message
    assert not from_facts("train-mode-evaluation", facts(evaluations=[msgspec.structs.replace(sick, train_mode=1)]))


def test_evaluation_with_gradients_is_a_note():
    assert one("grad-in-evaluation", facts(evaluations=[EvaluationRun(phases=4, with_gradient=4)])).severity == "note"
    assert not from_facts("grad-in-evaluation", facts(evaluations=[EvaluationRun(phases=4)]))


@pytest.mark.parametrize(
    ("alive", "looked", "sick"), [(8, 8, True), (40, 62, True), (10, 62, False), (0, 62, False), (3, 4, False)]
)
def test_graphs_that_stay(alive, looked, sick):
    assert bool(from_facts("loss-keeps-graph", facts(graphs_alive=alive, graphs_looked=looked))) == sick


def test_a_scheduler_that_comes_first():
    early = SchedulerRun(name="StepLR", early=True, before=1, steps=4)
    assert one("scheduler-order", facts(schedulers=[early])).severity == "warning"
    for healthy in (
        SchedulerRun(name="StepLR", steps=4),
        SchedulerRun(name="StepLR", before=5, steps=9),
        SchedulerRun(name="ReduceLROnPlateau", early=True, before=1, steps=3),
    ):
        assert not from_facts("scheduler-order", facts(schedulers=[healthy]))


def labels(**fields):
    given = {"labels": 320, "classes": 10, "batches": 10, "changes": 9, "expected": 287.0, "per_batch": 1.5, "entropy": 2.3}
    return LabelRun(**{**given, **fields})


IN_ORDER = LoaderRun(dataset="Images", sampler="SequentialSampler", training=True)


def test_labels_in_order():
    assert one("data-not-shuffled", facts(labels=labels(), loaders=[IN_ORDER])).severity == "warning"
    assert one("data-not-shuffled", facts(labels=labels(sorted=True)))


@pytest.mark.parametrize(
    ("fields", "loader"),
    [
        ({"changes": 280, "per_batch": 9.6}, IN_ORDER),
        ({"constant": True}, None),
        ({"batches": 2}, IN_ORDER),
        ({"classes": 1, "expected": 0.0}, IN_ORDER),
        ({}, msgspec.structs.replace(IN_ORDER, sampler="RandomSampler")),
        ({}, msgspec.structs.replace(IN_ORDER, sampler="ClassBalanced")),
        ({}, None),
        ({"changes": 60, "per_batch": 8.0}, IN_ORDER),
    ],
    ids=["shuffled before", "one batch", "two batches", "one class", "shuffles", "own sampler", "no loader", "grouped but mixed"],
)
def test_labels_that_may_be_so(fields, loader):
    assert not from_facts("data-not-shuffled", facts(labels=labels(**fields), loaders=[loader] if loader else []))


def test_labels_of_positions_are_none_of_samples():
    given = facts(labels=labels(), loaders=[IN_ORDER], probe=Probe(watched=True, batch=4))
    assert not from_facts("data-not-shuffled", given)


def test_the_same_batch_again_and_again():
    same = LoaderRun(training=True, compared=20, repeated=20, sampler="SequentialSampler")
    assert "next(iter(loader))" in one("repeated-batch", facts(loaders=[same])).fix
    for healthy in ({"repeated": 19}, {"compared": 4, "repeated": 4}, {"training": False}):
        assert not from_facts("repeated-batch", facts(loaders=[msgspec.structs.replace(same, **healthy)]))


def test_a_script_that_raises():
    failure = Failure(phase="script", exception="KeyError", message="'loss'", location=STEP)
    found = one("script-error", facts(failures=[failure]))
    assert "KeyError" in found.message
    assert found.location == STEP
    assert not from_facts("script-error", facts(failures=[Failure(phase="forward", exception="E", message="")]))


FALLING = series([2.0 * 0.97**i for i in range(120)])
RISING = [1.2, 1.0, 0.9, 0.92, 1.0, 1.1, 1.2, 1.3, 1.4]


def test_a_validation_loss_that_rises_while_the_training_loss_falls():
    found = one("overfitting", facts(losses=FALLING, validation=series(RISING, 12, 12)))
    assert found.evidence["best_step"] == 36
    assert 0.3 < found.evidence["rise"] < 0.6


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        (FALLING, [1.2, 1.1, 1.0, 0.95, 0.93, 0.92, 0.91, 0.9, 0.9]),
        (FALLING, [1.2, 0.9, 1.1, 0.92, 1.05, 0.9, 1.1, 0.95, 1.02]),
        (FALLING, [1.2, 1.0, 1.5]),
        (series([1.0] * 120), RISING),
        (FALLING, [-value for value in RISING]),
        (FALLING, [1.2, 1.1, 1.0, 0.95, 0.93, 0.92, 0.91, 1.1, 1.2]),
    ],
    ids=["falls", "noise", "few", "training stands", "negative", "just turned"],
)
def test_a_validation_loss_that_may_be_so(training, validation):
    assert not from_facts("overfitting", facts(losses=training, validation=series(validation, 12, 12)))


PLAIN = Probe(watched=True, loss=LossInfo(kind="cross_entropy", functional=["cross_entropy"], user=True, source="given"))


def noisy(level, count=300):
    return series([level + 0.05 * ((7 * i) % 11 - 5) / 5 for i in range(count)])


def test_a_long_run_at_the_loss_of_the_classes_shares():
    stuck = {"steps": 300, "labels": labels(), "losses": noisy(2.3), "probe": PLAIN}
    assert one("underfitting", facts(**stuck)).severity == "warning"
    for healthy in (
        {"steps": 100},
        {"losses": noisy(1.9)},
        {"losses": series([2.3 - 0.002 * i for i in range(300)])},
        {"limit": 300},
        {"rates": series([0.001 * i for i in range(300)])},
        {"labels": labels(constant=True)},
        {"probe": Probe(watched=True, loss=LossInfo(kind="custom"))},
    ):
        assert not from_facts("underfitting", facts(**{**stuck, **healthy})), healthy


def ranks(norms, weights=(1.0, 1.0), seconds=(0.1, 0.1), waited=(0.1, 0.1)):
    return [
        RankRun(rank=i, steps=30, gradient_norms=series(n), weights=weights[i], step_seconds=seconds[i], waited=waited[i])
        for i, n in enumerate(norms)
    ]


def test_processes_that_train_different_models():
    equal = [1.0, 0.9, 0.8, 0.7]
    assert one("rank-mismatch", facts(ranks=ranks([equal, [1.1, 0.7, 0.9, 0.6]]))).severity == "error"
    assert one("rank-mismatch", facts(ranks=ranks([equal, equal], weights=(1.0, 1.2))))
    assert not from_facts("rank-mismatch", facts(ranks=ranks([equal, [v * 1.00001 for v in equal]])))
    split = facts(ranks=ranks([equal, [2.0] * 4]), models=[model(wrapped=["FullyShardedDataParallel"])])
    assert not from_facts("rank-mismatch", split)


def test_a_process_that_holds_up_the_others():
    equal = [1.0, 0.9, 0.8, 0.7]
    assert one("straggler", facts(ranks=ranks([equal, equal], seconds=(0.1, 0.3)))).evidence["rank"] == 1
    assert "loader" in one("straggler", facts(ranks=ranks([equal, equal], waited=(0.1, 2.0)))).message
    assert not from_facts("straggler", facts(ranks=ranks([equal, equal], seconds=(0.1, 0.12))))


def test_waiting_for_batches():
    loader = LoaderRun(dataset="Images", training=True, batches=40, waited=6.0)
    slow = one("loader-bound", facts(loaders=[loader], seconds=8.0))
    assert slow.severity == "warning"
    assert "no workers" in slow.message
    assert one("loader-bound", facts(loaders=[msgspec.structs.replace(loader, waited=0.05)], seconds=0.1)).severity == "note"
    assert not from_facts("loader-bound", facts(loaders=[loader], seconds=60.0))
    assert not from_facts("loader-bound", facts(loaders=[msgspec.structs.replace(loader, training=False)], seconds=8.0))


# ------------------------------------------------------------------------------------------- checks of other groups, watched


def watched(losses, **fields):
    return Probe(watched=True, done=len(losses), losses=list(losses), batch=32, **fields)


def test_a_noisy_short_run_proves_nothing():
    short = Facts(probe=watched(noisy(2.3, 40).values), experiments=Experiments(longer_losses=[2.3, 2.3, 2.3], baseline_loss=2.3))
    assert learning(short).fits is None
    falling = Facts(probe=watched([2.0 * 0.97**i for i in range(60)]))
    assert learning(falling).fits is True
    able = Facts(probe=watched(noisy(2.3, 40).values), experiments=Experiments(longer_losses=[2.3, 1.9, 1.5]))
    assert learning(able).fits is True


def test_a_long_run_that_stands_still_and_cannot_learn_a_batch():
    trials = Experiments(longer_losses=[2.3, 2.3, 2.3], baseline_loss=2.3)
    assert learning(Facts(probe=watched([2.3] * 300), experiments=trials)).fits is False
    learnt = Experiments(longer_losses=[0.1, 0.1, 0.1], baseline_loss=2.3)
    assert learning(Facts(probe=watched([0.1] * 300), experiments=learnt)).fits is None


@pytest.mark.parametrize("slug", ["cannot-overfit", "loss-oscillates", "learning-rate-low", "learning-rate-high"])
def test_what_needs_a_fixed_batch_is_not_asked_of_a_script(slug):
    wild = watched([1.0, 3.0] * 30, optimizer=OptimizerInfo(name="SGD", user=True, source="given", learning_rate=0.1))
    assert not from_facts(slug, Facts(probe=wild, experiments=Experiments()))


def test_a_layer_that_is_all_zeros_at_every_observed_step():
    def layer(zeros):
        return ActivationSeries(module="act", kind="ReLU", zeros=zeros)

    dead = watched([1.0] * 40, activations=[layer([0.5, 1.0, 1.0, 1.0, 1.0, 1.0])])
    assert one("dead-relu", Facts(probe=dead)).severity == "error"
    alive = watched([1.0] * 40, activations=[layer([0.5, 1.0, 1.0, 0.9, 1.0, 1.0])])
    assert not from_facts("dead-relu", Facts(probe=alive))


def test_the_step_of_a_gradient_that_is_not_finite():
    sick = watched([1.0] * 30, gradient_norms=[1.0, 1.0, 1.0, "nan"], observed=[0, 1, 2, 10])
    assert "step 10" in one("exploding-gradient", Facts(probe=sick)).message
    assert not from_facts("exploding-gradient", Facts(probe=sick, run=Run(scaler=True)))


def test_adversaries_may_lose():
    rising = [0.7] * 10 + [20.0] * 20
    loss = LossInfo(kind="cross_entropy", functional=["cross_entropy"], user=True, source="given")
    probe = watched(rising, loss=loss, optimizer=OptimizerInfo(name="SGD", user=True, source="given", learning_rate=0.1))
    assert one("loss-diverges", facts(probe=probe)).severity in ("error", "warning")
    assert not from_facts("loss-diverges", facts(probe=probe, optimizers=[optimizer(), optimizer()]))
