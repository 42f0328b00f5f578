"""From facts to a report: runs the checks and writes the summary."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from nnreport.checks.runner import run_checks
from nnreport.facts import Facts, Graph, InputSpec, Stage, TensorInfo
from nnreport.report import ModelSummary, Report


def build_report(
    facts: Facts,
    stages: Iterable[Stage] = (),
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    title: str = "",
    author: str = "",
    course: str = "",
) -> Report:
    """The report of these facts: every check is run over them, ``select`` and ``ignore`` as in :func:`run_checks`."""
    findings, outcomes = run_checks(facts, select, ignore)
    return Report(
        model=summarise(facts),
        findings=findings,
        stages=list(stages),
        outcomes=outcomes,
        facts=facts,
        title=title,
        author=author,
        course=course,
    )


def summarise(facts: Facts) -> ModelSummary:
    """The few numbers that stand first; what was not measured is None."""
    target, tree, graph = facts.target, facts.tree, facts.graph
    return ModelSummary(
        name=target.name,
        target=target.spec,
        cls=target.cls,
        kind=target.kind,
        parameters=tree.total if tree else None,
        trainable=tree.trainable if tree else None,
        size=tree.size if tree else None,
        flops=graph.flops if graph and graph.complete else None,
        flops_backward=graph.flops_backward if graph and graph.complete else None,
        inputs=[describe_input(spec) for spec in target.inputs],
        output=describe_output(graph) if graph else "",
    )


def describe_input(spec: InputSpec) -> str:
    """``x: float32[1, 784]``, or ``name: value`` for what is no tensor."""
    return f"{spec.name}: {describe_tensor(spec.tensor) if spec.tensor else spec.value}"


def describe_output(graph: Graph) -> str:
    """``float32[1, 10]``, or the structure where it is more than one tensor: ``dict(logits, loss)``."""
    made = [node.outputs or node.reads for node in graph.nodes if node.kind == "output"]
    if graph.output != "tensor" or len(made) != 1 or len(made[0]) != 1:
        return graph.output
    return describe_tensor(made[0][0])


def describe_tensor(tensor: TensorInfo) -> str:
    """``float32[1, 784]``."""
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]"
