"""Complete make-believe reports of 3, 60 and 500 layers, and of everything that can be missing, for the renderers' tests.

Every number is made from a formula, so that two runs give the same report. ``small() medium() large() hostile()`` hold all facts;
``weights_only() no_probe() forward_failed() nothing()`` are the poor ones; ``every()`` is all of them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sample_net import Net
from sample_pictures import photographs, texts
from sample_runs import run_of

from nnreport.facts import (
    ActivationSeries,
    BatchTrial,
    DataInfo,
    Environment,
    Experiments,
    Facts,
    Failure,
    Frame,
    Graph,
    Histogram,
    InputInfluence,
    InputSpec,
    Location,
    LossInfo,
    Machine,
    Mixing,
    ModuleCost,
    NonFinite,
    OperatorCost,
    OptimizerInfo,
    OutputInfo,
    ParameterSeries,
    Probe,
    Profile,
    Range,
    RateTrial,
    Reach,
    Run,
    SourceClass,
    SourceFile,
    Stage,
    Target,
    TargetInfo,
    TensorInfo,
    Tree,
    Weights,
    WeightStats,
)
from nnreport.finding import Finding, Outcome
from nnreport.report import ModelSummary, Report

STAGES = ("environment", "load", "tree", "source", "inputs", "trace", "weights", "pictures", "probe", "experiments", "profile")
HOSTILE = "</script><img src=x onerror=alert(1)>"
"""A name that must never become markup."""


def wave(i: int, j: int = 0) -> float:
    """Between 0 and 1, irregular, the same on every machine."""
    return (math.sin(12.9898 * (i + 1) + 78.233 * (j + 1)) * 43758.5453) % 1.0


# ---------------------------------------------------------------------------------------------------------- the facts


def environment(spec: str) -> Environment:
    return Environment(
        python="3.11.2",
        torch="2.13.0+cpu",
        nnreport="0.1.0",
        platform="Linux x86_64",
        packages={"numpy": "2.4.0", "torchview": "0.2.7"},
        device="cpu",
        device_name="Intel Xeon",
        device_reason="no accelerator was found",
        threads=2,
        memory=8 << 30,
        seed=0,
        command=f"nnreport {spec} --input 1,784",
        time="2025-01-02T03:04:05Z",
    )


def weights_of(tree: Tree) -> Weights:
    stats = []
    for i, parameter in enumerate(tree.parameters):
        vector = len(parameter.shape) == 1
        fan_in = math.prod(parameter.shape[1:]) or 1
        std = 0.02 if vector else 1 / math.sqrt(3 * fan_in)
        bell = [int(parameter.count * math.exp(-((k - 15.5) ** 2) / (30 + 20 * wave(i))) / 12) for k in range(32)]
        stats.append(
            WeightStats(
                name=parameter.name,
                shape=parameter.shape,
                dtype=parameter.dtype,
                module=parameter.module,
                count=parameter.count,
                mean=(wave(i) - 0.5) * std / 10,
                std=std,
                minimum=-3 * std,
                maximum=3.1 * std,
                norm=std * math.sqrt(parameter.count),
                zeros=parameter.count // 50 if i % 7 == 3 else 0,
                histogram=Histogram(low=-3 * std, high=3.1 * std, counts=bell),
                rows=parameter.shape[0],
                fan_in=fan_in,
                fan_out=parameter.shape[0],
                effective_rank=None if vector else 0.6 + 0.3 * wave(i),
            )
        )
    return Weights(stats=stats)


def probe_of(tree: Tree, graph: Graph, steps: int = 30) -> Probe:
    observed = list(range(0, steps, 3))
    losses = [2.35 * math.exp(-step / 14) + 0.05 + 0.03 * wave(step) for step in range(steps + 1)]
    depth = max(1, len(tree.parameters))
    series = [
        ParameterSeries(
            name=parameter.name,
            gradient=[1e-3 * math.exp(2 * i / depth - step / 40) * (0.7 + 0.6 * wave(i, step)) for step in observed],
            update=[1e-3 * (0.5 + wave(i, step)) for step in observed],
            steps=len(observed),
        )
        for i, parameter in enumerate(tree.parameters)
    ]
    leaves = [module for module in tree.modules if not module.children and module.path]
    activations = [
        ActivationSeries(
            module=module.path,
            kind=module.kind,
            std=[0.4 + 0.5 * wave(i) + 0.01 * step for step in observed],
            mean=[0.1 * wave(i, step) for step in observed],
            maximum=[2.0 + wave(i, step) for step in observed],
            zeros=[0.4 + 0.2 * wave(i, step) if module.kind == "ReLU" else 0.0 for step in observed],
            spread=[0.3 + 0.3 * wave(i, step) for step in observed],
            units=128,
            dead=(0.93 if i == 1 else 0.1 * wave(i)) if module.kind == "ReLU" else None,
            dead_initial=0.05 if module.kind == "ReLU" else None,
            dead_samples=64,
            dead_units=list(range(20)) if i == 1 and module.kind == "ReLU" else [],
        )
        for i, module in enumerate(leaves)
    ]
    output = graph.nodes[-1]
    return Probe(
        steps=steps,
        done=steps,
        batch=16,
        data=DataInfo(
            source="synthetic noise like the sample input, labels seeded",
            batch=16,
            given_batch=1,
            batches_seen=1,
            target=TargetInfo(
                tensor=TensorInfo(shape=[16], dtype="int64"), classes={str(k): 1 + k % 3 for k in range(10)}, integral=True
            ),
        ),
        loss=LossInfo(
            name="cross_entropy",
            source="inferred",
            kind="cross_entropy",
            reason="the output is 10 wide and unbounded, so it was read as the logits of 10 classes",
            functional=["cross_entropy"],
        ),
        optimizer=OptimizerInfo(
            name="Adam", settings={"lr": 1e-3, "betas": [0.9, 0.999]}, learning_rate=1e-3, parameters=len(tree.parameters)
        ),
        output=OutputInfo(
            name="output",
            tensor=output.outputs[0],
            activation="linear",
            spread=0.4,
            spread_absolute=0.2,
            range=output.output_range,
        ),
        losses=losses,
        eval_losses=[2.36, 0.31],
        gradient_norms=[1.5 * math.exp(-step / 20) + 0.2 * wave(step) for step in range(steps)],
        observed=observed,
        parameters=series,
        activations=activations,
        seconds=[0.004 + 0.001 * wave(step) for step in range(steps)],
    )


def experiments_of() -> Experiments:
    return Experiments(
        nondeterminism=0.0,
        mixing=Mixing(samples=4, moved=0.0, own=0.4, tolerance=1e-4),
        influence=[InputInfluence(name="x", gradient=True, moved=0.7)],
        batches=[BatchTrial(batch=1, mode="eval", works=True), BatchTrial(batch=3, mode="train", works=True)],
        rates=[
            RateTrial(factor=f, learning_rate=1e-3 * f, losses=[2.35 * math.exp(-s * f / 14) + 0.05 for s in range(31)], steps=30)
            for f in (0.1, 10.0)
        ],
        output_spread=0.4,
        output_spread_train=0.42,
        baseline_loss=2.2,
        initial_spread={"": 0.4},
        seconds=0.6,
    )


def profile_of(tree: Tree, graph: Graph) -> Profile:
    costs = []
    for i, module in enumerate(tree.modules):
        if module.children or not module.path:
            continue
        calls = [call for call in graph.calls if call.module == module.path]
        flops = sum(call.flops + call.flops_backward for call in calls) * 16
        forward = 2e-6 + flops / 3e11 * (0.7 + wave(i))
        size = 16 * sum(4 * math.prod(out.shape) for call in calls for out in call.outputs)
        costs.append(
            ModuleCost(
                module=module.path,
                calls=len(calls),
                forward=forward,
                forward_total=forward,
                backward=2 * forward,
                backward_total=2 * forward,
                activation=size,
                flops=flops,
            )
        )
    forward, backward = sum(cost.forward for cost in costs), sum(cost.backward for cost in costs)
    names = ("aten::addmm", "aten::mm", "aten::_fused_adam_", "aten::relu", "aten::log_softmax")
    operators = [
        OperatorCost(name=name, calls=30 - 4 * k, seconds=forward / (k + 1), share=0.4 / (k + 1)) for k, name in enumerate(names)
    ]
    step = forward + backward + 4e-4
    return Profile(
        batch=16,
        step=step,
        forward=forward,
        backward=backward,
        optimizer=4e-4,
        throughput=16 / step,
        modules=costs,
        operators=operators,
        peak_memory=tree.size * 4 + sum(cost.activation for cost in costs),
        parameters_memory=tree.size,
        gradients_memory=tree.size,
        optimizer_memory=2 * tree.size,
        activations_memory=sum(cost.activation for cost in costs),
        machine=Machine(flops=1.2e11, bandwidth=1.9e10, device="cpu"),
        achieved_flops=sum(cost.flops for cost in costs) / step,
    )


# ---------------------------------------------------------------------------------------------------------- the whole


def findings_of(tree: Tree, graph: Graph) -> list[Finding]:
    """One finding of each severity and shape: with code, without, with consequences, of many modules, of none."""
    leaves = [module.path for module in tree.modules if not module.children and module.path]
    middle = leaves[len(leaves) // 2]
    line = Location(path="model.py", line=14, function="forward", text="return F.softmax(self.fc2(x), dim=1)")
    node = next(node for node in graph.nodes if node.kind == "op")
    return [
        Finding(
            check="softmax-with-cross-entropy",
            severity="error",
            message="The output is already a distribution (rows sum to 1) and cross_entropy applies softmax again.",
            module="",
            location=line,
            evidence={"first_loss": 2.303, "floor": 1.461, "limit": 1e-4, "loss": "cross_entropy"},
            fix="Return the logits and let the loss apply log_softmax.",
            code="-        return F.softmax(self.fc2(x), dim=1)\n+        return self.fc2(x)",
            why="Gradients shrink by up to the number of classes and the loss cannot fall below 1.461.",
            node=graph.nodes[-2].id,
            consequences=["loss-floor: the loss settles at 1.461 = ln(1 + 9/e)"],
        ),
        Finding(
            check="dead-relu",
            severity="warning",
            message=f"93.0 % of the 128 units of {leaves[min(1, len(leaves) - 1)]} are zero for all 64 samples (limit 60 %).",
            module=leaves[min(1, len(leaves) - 1)],
            location=Location(path="model.py", line=12, function="forward", text="x = F.relu(self.fc1(x))"),
            evidence={"dead_units": 0.93, "limit": 0.6, "samples": 64, "units": 128},
            fix="Lower the learning rate, or use LeakyReLU.",
            why="A unit that is zero everywhere gets no gradient and never comes back.",
            modules=leaves[:12],
            node=node.id,
        ),
        Finding(
            check="exploding-gradient",
            severity="warning",
            message="The gradient norm becomes non-finite at step 7.",
            module=middle,
            evidence={"norm": "inf", "limit": 1e3},
            fix="Clip the gradient.",
            code="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
            why="One such step destroys the weights.",
        ),
        Finding(
            check="deprecated-variable",
            severity="note",
            message="torch.autograd.Variable does nothing since 0.4.",
            location=Location(path="model.py", line=3, text="from torch.autograd import Variable"),
            fix="Use the tensor itself.",
        ),
    ]


OUTCOMES = [
    *(
        Outcome(check=slug, state="found")
        for slug in ("softmax-with-cross-entropy", "dead-relu", "exploding-gradient", "deprecated-variable")
    ),
    *(Outcome(check=slug, state="passed") for slug in ("forward-error", "unused-module", "mixed-batch", "constant-init")),
    Outcome(check="class-imbalance", state="not-applicable", reason="the labels are synthetic"),
    Outcome(check="misaligned-width", state="ignored", reason="left out by --select or --ignore"),
    Outcome(check="low-rank-weights", state="failed", reason="ZeroDivisionError: division by zero"),
]

SOURCE = (
    "import torch\nfrom torch import nn\nfrom torch.autograd import Variable\n\n\nclass Net(nn.Module):\n    pass\n" + "\n" * 12
)


def whole(name: str, tree: Tree, graph: Graph, *, findings: list[Finding] | None = None, title: str = "") -> Report:
    """A report with every fact."""
    spec = f"model.py:{name}"
    first = graph.nodes[0]
    inputs = [InputSpec(name="x", tensor=first.outputs[0], source="--input", range=first.output_range)]
    facts = Facts(
        environment=environment(spec),
        target=Target(
            spec=spec,
            name=name,
            cls=f"model.{name}",
            location=Location(path="model.py", line=6),
            arguments={"hidden": 128},
            inputs=inputs,
        ),
        tree=tree,
        graph=graph,
        reach=Reach(inputs={"x": True}, loss="sum of the outputs"),
        weights=weights_of(tree),
        probe=probe_of(tree, graph),
        experiments=experiments_of(),
        profile=profile_of(tree, graph),
        source=[
            SourceFile(path="model.py", text=SOURCE, classes=[SourceClass(name=name, line=6, end=15, used=True)], target=True)
        ],
        notes=["The batch was widened from 1 to 16 for the probe."],
    )
    model = ModelSummary(
        name=name,
        target=spec,
        cls=f"model.{name}",
        parameters=tree.total,
        trainable=tree.trainable,
        size=tree.size,
        flops=graph.flops,
        flops_backward=graph.flops_backward,
        inputs=[f"x: {first.outputs[0].dtype}{first.outputs[0].shape}"],
        output="float32[1, 10]",
    )
    stages = [Stage(name=stage, seconds=0.05 * (i + 1)) for i, stage in enumerate(STAGES)]
    found = findings_of(tree, graph) if findings is None else findings
    for finding in found:
        finding.fingerprint = f"{finding.check}-{finding.module}"[:16]
    return Report(model=model, findings=found, stages=stages, outcomes=list(OUTCOMES), facts=facts, title=title)


def small() -> Report:
    """SimpleNet 784-128-10 with a functional ReLU."""
    net = Net("model.SimpleNet")
    x = net.input([1, 784])
    x = net.linear("fc1", x, 128)
    x = net.op("relu", x)
    x = net.linear("fc2", x, 10)
    return whole("SimpleNet", *net.finish(net.op("softmax", x, dim=1)))


def healthy() -> Report:
    """SimpleNet with no finding at all."""
    report = small()
    report.findings = []
    report.outcomes = [Outcome(check=outcome.check, state="passed") for outcome in OUTCOMES]
    return report


def medium() -> Report:
    """A transformer of 6 pre-norm blocks, about 60 leaf layers, with skip connections and attention."""
    net = Net("model.TinyGPT")
    tokens = net.input([1, 64], "tokens", "int64")
    x = net.layer(
        "embed", "Embedding", tokens, "embedding", [1, 64, 96], {"weight": [1000, 96]}, num_embeddings=1000, embedding_dim=96
    )
    with net.inside("blocks", "torch.nn.modules.container.Sequential", x):
        for i in range(6):
            path = f"blocks.{i}"
            with net.inside(path, "model.Block", x):
                y = net.norm(f"{path}.norm1", x)
                with net.inside(f"{path}.attention", "model.Attention", y):
                    q, k, v = (net.linear(f"{path}.attention.{part}", y, 96) for part in ("query", "key", "value"))
                    q, k, v = (net.op("view", part, shape=[1, 4, 64, 24]) for part in (q, k, v))
                    y = net.op("scaled_dot_product_attention", q, k, v, flops=4 * 4 * 64 * 64 * 24)
                    y = net.op("reshape", y, shape=[1, 64, 96])
                    y = net.linear(f"{path}.attention.out", y, 96)
                x = net.op("add", x, y)
                y = net.norm(f"{path}.norm2", x)
                with net.inside(f"{path}.mlp", "torch.nn.modules.container.Sequential", y):
                    y = net.linear(f"{path}.mlp.0", y, 384)
                    y = net.act(f"{path}.mlp.1", y, "GELU")
                    y = net.linear(f"{path}.mlp.2", y, 96)
                x = net.op("add", x, y)
    x = net.norm("norm", x)
    report = whole("TinyGPT", *net.finish(net.linear("head", x, 1000, bias=False)))
    report.facts.pictures = texts()
    return report


def large(blocks: int = 83) -> Report:
    """A residual convnet of about 500 layers (6 a block), in four stages."""
    net = Net("model.DeepNet")
    x = net.conv("stem", net.input([1, 3, 64, 64]), 16)
    for stage in range(4):
        with net.inside(f"stage{stage + 1}", "torch.nn.modules.container.Sequential", x):
            for i in range(blocks // 4 + (stage < blocks % 4)):
                path = f"stage{stage + 1}.{i}"
                stride = 2 if i == 0 and stage else 1
                width = 16 * 2**stage
                with net.inside(path, "model.BasicBlock", x):
                    y = net.act(
                        f"{path}.relu", net.norm(f"{path}.bn1", net.conv(f"{path}.conv1", x, width, stride=stride), "BatchNorm2d")
                    )
                    y = net.norm(f"{path}.bn2", net.conv(f"{path}.conv2", y, width), "BatchNorm2d")
                    skip = net.conv(f"{path}.skip", x, width, 1, stride) if stride == 2 else x
                    x = net.op("relu", net.op("add", y, skip))
    x = net.op("flatten", net.op("adaptive_avg_pool2d", x, shape=[1, 128, 1, 1]), shape=[1, 128])
    report = whole("DeepNet", *net.finish(net.linear("fc", x, 10)))
    report.facts.pictures = photographs()
    return report


def hostile() -> Report:
    """Names, messages and code that try to break out of HTML, SVG, DOT, JSON, Markdown and PDF; RTL and emoji names."""
    net = Net("model.Evil")
    x = net.input([1, 8], HOSTILE)
    for i, name in enumerate(
        (
            HOSTILE,
            'a"b\\n\\l<b>&amp;',
            "שכבה",
            "层🔥|`*_[x](javascript:alert(1))`",
            "x" * 300,
            "--><svg/onload=alert(1)>",
            "{{7*7}}{% raw %}",
        )
    ):
        x = net.linear(name, x, 8 + i)
    tree, graph = net.finish(x)
    findings = [
        Finding(
            check="dead-relu",
            severity="error",
            message=f"Bad {HOSTILE} @everyone #1 | `x` {{{{7*7}}}}",
            module=HOSTILE,
            location=Location(path=f"{HOSTILE}.py", line=3, text=f"x = '{HOSTILE}'"),
            evidence={HOSTILE: HOSTILE, "n": 3},
            fix=HOSTILE,
            code=f"```\n{HOSTILE}\n```",
            why=HOSTILE,
            modules=[HOSTILE, "שכבה"],
            consequences=[HOSTILE],
        )
    ]
    report = whole("Evil", tree, graph, findings=findings, title=HOSTILE)
    report.model.name = HOSTILE
    report.facts.target.name = HOSTILE
    report.facts.notes.append(HOSTILE)
    report.facts.pictures = photographs(HOSTILE)
    report.facts.failures.append(Failure(phase="backward", exception="RuntimeError", message=HOSTILE, module=HOSTILE))
    return report


def weights_only() -> Report:
    """A state dict alone: no graph, no probe."""
    report = small()
    facts = report.facts
    facts.target.kind = report.model.kind = "weights"
    facts.target.spec = report.model.target = "checkpoint.safetensors"
    facts.target.inputs = []
    facts.graph = facts.reach = facts.probe = facts.experiments = facts.profile = None
    facts.source = []
    assert facts.tree
    for module in facts.tree.modules:
        module.calls = module.train_calls = 0
    report.model.flops = report.model.flops_backward = None
    report.model.inputs, report.model.output = [], ""
    report.findings = []
    for stage in report.stages:
        if stage.name in ("source", "inputs", "trace", "probe", "experiments", "profile"):
            stage.state, stage.seconds, stage.error = "skipped", 0.0, "a state dict has no code to run"
    return report


def no_probe() -> Report:
    """The probe was killed for memory, the experiments timed out; the rest is there."""
    report = small()
    report.facts.probe = report.facts.experiments = report.facts.profile = None
    report.findings = report.findings[-1:]
    for stage in report.stages:
        if stage.name == "probe":
            stage.state, stage.error = "killed", "the process was killed for memory (2.1 GiB over the limit)"
        if stage.name in ("experiments", "profile"):
            stage.state, stage.error = "skipped", "the probe did not end"
    return report


def forward_failed() -> Report:
    """SimpleNet fed with 1,28,28: the first layer raises and the picture ends there."""
    report = small()
    facts = report.facts
    assert facts.graph
    graph = facts.graph
    graph.complete = False
    graph.nodes = graph.nodes[:1]
    graph.nodes[0].outputs = [TensorInfo(shape=[1, 28, 28], dtype="float32")]
    graph.calls = [call for call in graph.calls if call.module in ("", "fc1")]
    for call in graph.calls:
        call.failed, call.outputs, call.inputs, call.flops = True, [], [TensorInfo(shape=[1, 28, 28], dtype="float32")], 0
    line = Location(path="model.py", line=12, function="forward", text="x = F.relu(self.fc1(x))")
    failure = Failure(
        phase="forward",
        exception="RuntimeError",
        message="mat1 and mat2 shapes cannot be multiplied (28x28 and 784x128)",
        module="fc1",
        cls="Linear",
        inputs=[TensorInfo(shape=[1, 28, 28], dtype="float32")],
        expected="784 features in the last axis",
        operation="linear",
        location=line,
        frames=[Frame(location=line)],
        hint="Flatten the input first: x.flatten(1) gives [1, 784].",
    )
    facts.failures = [failure]
    facts.reach = facts.probe = facts.experiments = facts.profile = None
    report.model.flops = report.model.flops_backward = None
    report.findings = [
        Finding(
            check="forward-error",
            severity="error",
            message="fc1 (Linear) was given [1, 28, 28] and needs 784 features in the last axis.",
            module="fc1",
            location=line,
            evidence={"given": "[1, 28, 28]", "expected": "784 features in the last axis"},
            fix="Flatten the input before fc1.",
            code="x = x.flatten(1)",
            why="No output, so nothing can be trained or profiled.",
        )
    ]
    for stage in report.stages:
        if stage.name == "trace":
            stage.state, stage.error = "failed", "the model's forward raised RuntimeError"
        if stage.name in ("probe", "experiments", "profile"):
            stage.state, stage.error = "skipped", "forward does not run"
    return report


def not_finite() -> Report:
    """A net whose loss becomes NaN at step 4."""
    report = small()
    probe = report.facts.probe
    assert probe
    probe.losses = [2.3, 40.0, 9e8, "inf", "nan"]
    probe.gradient_norms = [3.0, 1e9, "inf", "nan"]
    probe.done = 4
    probe.observed = [0, 1, 2, 3]
    for series in probe.parameters:
        series.gradient, series.update = [1e-3, 1e6, "inf", "nan"], [1e-3, 2.0, "inf", "nan"]
    for activation in probe.activations:
        activation.std, activation.spread = [0.5, 30.0, "inf", "nan"], [0.5, 0.5, "nan", "nan"]
        activation.zeros = [0.1, 0.2, 0.0, 0.0]
    here = Location(path="model.py", line=13, function="forward", text="x = torch.log(x)")
    nan = Range(minimum=-1.0, maximum=2.0, mean=0.1, std=0.8, nan=12, count=1280)
    probe.nonfinite = NonFinite(step=3, phase="forward", module="fc2", operation="log", location=here, inputs=[nan], output=nan)
    return report


def nothing() -> Report:
    """The constructor raised: there is a target, a failure and no more."""
    where = Location(path="model.py", line=9, function="__init__", text="self.fc1 = nn.Linear(784, hidden)")
    failure = Failure(
        phase="construct",
        exception="AttributeError",
        message="cannot assign module before Module.__init__() call",
        location=where,
    )
    spec = "model.py:SimpleNet"
    facts = Facts(environment=environment(spec), target=Target(spec=spec, name="SimpleNet"), failures=[failure])
    finding = Finding(
        check="construction-error",
        severity="error",
        message="SimpleNet() raised AttributeError.",
        location=where,
        fix="Call super().__init__() first.",
    )
    stages = [
        Stage(name="environment", seconds=0.1),
        Stage(name="load", state="failed", error="SimpleNet() raised AttributeError"),
    ]
    stages += [Stage(name=name, state="skipped", error="there is no model") for name in STAGES[2:]]
    return Report(
        model=ModelSummary(name="SimpleNet", target=spec),
        findings=[finding],
        stages=stages,
        outcomes=[Outcome(check="construction-error", state="found")],
        facts=facts,
    )


def watched(name: str = "SimpleNet", script: str = "train.py") -> Report:
    """A training script on two ranks, of which SimpleNet is one of two models."""
    report = small()
    facts = report.facts
    assert facts.probe is not None
    facts.run = run_of(script, name)
    facts.probe.watched = True
    facts.probe.losses = facts.run.losses.values
    facts.probe.done = facts.probe.steps = facts.run.steps
    facts.probe.observed = [10 * i for i in range(len(facts.probe.observed))]
    facts.probe.gradient_norms = facts.run.gradient_norms.values[: len(facts.probe.observed)]
    return report


def watched_hostile() -> Report:
    """The same with names that must never become markup."""
    return watched(HOSTILE, f"{HOSTILE}.py")


def watched_idle() -> Report:
    """A script in which no optimizer made a step."""
    report = nothing()
    report.facts.run = Run(script="train.py", status=1, seen=["One model was called, and no optimizer was made."])
    return report


def every() -> dict[str, Callable[[], Report]]:
    """All of them by name."""
    makers = (small, healthy, medium, large, hostile, weights_only, no_probe, forward_failed, not_finite, nothing)
    makers += (watched, watched_hostile, watched_idle)
    return {maker.__name__: maker for maker in makers}
