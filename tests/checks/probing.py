"""What the tests of the checks share: small reports made end to end, and facts written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

import nnreport
from nnreport.checks.registry import find
from nnreport.facts import (
    ActivationSeries,
    DataInfo,
    Experiments,
    Facts,
    Graph,
    LossInfo,
    Module,
    Node,
    OptimizerInfo,
    OutputInfo,
    Parameter,
    ParameterSeries,
    Probe,
    Range,
    TargetInfo,
    TensorInfo,
    Tree,
    Weights,
    WeightStats,
)
from nnreport.finding import Finding, NotApplicable
from nnreport.report import Report

GROUPS = ("initialisation", "activations", "gradients", "loss", "numerics")


def inspect(model: nn.Module, *inputs: Any, data: Any = None, **options: Any) -> Report:
    """A report of the groups under test; time enough for all experiments, however busy the machine."""
    options.setdefault("budget", 12.0)
    options.setdefault("select", GROUPS)
    return nnreport.inspect(model, *inputs, data=data, **options)


def loud(report: Report) -> dict[str, Finding]:
    """Findings that are no notes, by slug."""
    return {each.check: each for each in report.findings if each.severity != "note"}


def mlp(*widths: int, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), act()]
    return nn.Sequential(*layers[:-1])


def classes(batch: int, features: int, count: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Three batches of separable classes."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(count, features, generator=generator)
    batches = []
    for _ in range(3):
        labels = torch.arange(batch) % count
        batches.append((centres[labels] + torch.randn(batch, features, generator=generator), labels))
    return batches


# --------------------------------------------------------------------------------------------------------- by hand


def run(slug: str, facts: Facts) -> list[Finding]:
    """What one check says; nothing where it does not apply."""
    check = find(slug)
    assert check is not None, slug
    try:
        return list(check.function(facts))
    except NotApplicable:
        return []


def held(low: float, high: float, mean: float | None = None, std: float | None = None, **more: Any) -> Range:
    """A range; mean and std of a uniform distribution unless given."""
    middle = (low + high) / 2 if mean is None else mean
    return Range(minimum=low, maximum=high, mean=middle, std=(high - low) / 12**0.5 if std is None else std, count=64, **more)


def chain(*names: str, modules: Iterable[str] = (), ranges: dict[str, Range] | None = None, **attributes: Any) -> Graph:
    """input → operations → output, one after the other; ``ranges`` by operation name is what each of them puts out."""
    paths = list(modules) or [f"m{i}" for i in range(len(names))]
    ranges = ranges or {}
    tensor = TensorInfo(shape=[8, 4], dtype="float32")
    nodes = [Node(id=0, kind="input", name="x", outputs=[tensor], output_range=ranges.get("x"))]
    for i, (name, path) in enumerate(zip(names, paths, strict=True), start=1):
        before = nodes[-1]
        reads = [f"{path}.weight"] if name in ("linear", "conv2d") else []
        nodes.append(
            Node(
                id=i,
                kind="op",
                name=name,
                module=path,
                inputs=[before.id],
                reads=[tensor],
                outputs=[tensor],
                parameters=reads,
                input_ranges=[before.output_range],
                output_range=ranges.get(name),
                attributes=attributes.get(name, {}),
                differentiable=True,
            )
        )
    nodes.append(
        Node(
            id=len(names) + 1,
            kind="output",
            name="0",
            inputs=[nodes[-1].id],
            input_ranges=[nodes[-1].output_range],
            outputs=[tensor],
        )
    )
    return Graph(nodes=nodes, batch=8)


def weight(module: str, rows: int = 64, columns: int = 64, std: float = 0.1, **more: Any) -> WeightStats:
    """Statistics of ``module.weight``."""
    spread: dict[str, Any] = {"minimum": -3 * std, "maximum": 3 * std, "norm": std * (rows * columns) ** 0.5} | more
    return WeightStats(
        name=f"{module}.weight",
        shape=[rows, columns],
        dtype="float32",
        module=module,
        count=rows * columns,
        std=std,
        rows=rows,
        fan_in=columns,
        fan_out=rows,
        **spread,
    )


def tree(stats: Iterable[WeightStats], kind: str = "Linear") -> Tree:
    """The tree of modules that hold these weights."""
    found = list(stats)
    modules = [Module(path="", cls="net.Net", children=[each.module for each in found])]
    modules += [Module(path=each.module, cls=f"torch.nn.modules.linear.{kind}", kind=kind, parent="", calls=1) for each in found]
    parameters = [
        Parameter(name=each.name, module=each.module, shape=each.shape, dtype=each.dtype, count=each.count) for each in found
    ]
    total = sum(each.count for each in found)
    return Tree(modules=modules, parameters=parameters, total=total, trainable=total)


def net(stats: list[WeightStats], **more: Any) -> Facts:
    """Facts of a chain of linear layers with ReLUs between."""
    names = [name for each in stats for name in ("linear", "relu")][:-1]
    paths = [path for each in stats for path in (each.module, each.module + "_act")][:-1]
    graph = chain(*names, modules=paths)
    return Facts(**({"tree": tree(stats), "weights": Weights(stats=stats), "graph": graph} | more))


def probe(
    losses: list[Any],
    kind: str = "cross_entropy",
    user: bool = True,
    output: OutputInfo | None = None,
    target: TargetInfo | None = None,
    source: str = "given",
    optimizer: OptimizerInfo | None = None,
    **more: Any,
) -> Probe:
    """A probe with these losses, on data, loss and optimizer of the user's (or none of them)."""
    done = len(losses) - 1
    return Probe(
        steps=done,
        done=done,
        batch=16,
        losses=losses,
        observed=list(range(0, max(done, 1), 3)),
        data=DataInfo(
            user=user, batch=16, batches_seen=3, target=target or TargetInfo(tensor=TensorInfo(shape=[16], dtype="int64"))
        ),
        loss=LossInfo(name=kind, kind=kind, user=user, source=source if user else "inferred", functional=[kind]),  # type: ignore[arg-type]
        optimizer=optimizer or OptimizerInfo(name="SGD", user=user, source="given" if user else "default", learning_rate=0.1),
        output=output
        or OutputInfo(tensor=TensorInfo(shape=[16, 10], dtype="float32"), range=held(-1, 1), activation="linear", module="head"),
        **more,
    )


__all__ = [
    "ActivationSeries",
    "DataInfo",
    "Experiments",
    "Facts",
    "LossInfo",
    "OptimizerInfo",
    "OutputInfo",
    "ParameterSeries",
    "TargetInfo",
    "TensorInfo",
    "chain",
    "classes",
    "held",
    "inspect",
    "loud",
    "mlp",
    "net",
    "probe",
    "run",
    "tree",
    "weight",
]
