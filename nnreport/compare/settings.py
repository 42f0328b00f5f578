"""How the two reports were made: what differs there is said, and not taken for a change of the model."""

from __future__ import annotations

from collections.abc import Callable

from nnreport.compare.records import Setting
from nnreport.facts import InputSpec, Probe
from nnreport.report import Report


def settings(old: Report, new: Report) -> list[Setting]:
    """What differs, the most telling first. Something that is known of one report only is no difference."""
    readers: dict[str, Callable[[Report], str]] = {
        "target": lambda r: r.model.target or r.model.name,
        "kind": lambda r: {"weights": "a state dict alone"}.get(r.model.kind, "a module"),
        "input": inputs,
        "weights": lambda r: r.facts.target.weights or ("" if r.model.kind == "weights" else "none given"),
        "data": lambda r: data(r.facts.probe),
        "loss": lambda r: r.facts.probe.loss.name if r.facts.probe and r.facts.probe.loss else "",
        "optimizer": lambda r: optimizer(r.facts.probe),
        "steps": lambda r: str(r.facts.probe.steps) if r.facts.probe else "",
        "batch": lambda r: str(r.facts.probe.batch) if r.facts.probe and r.facts.probe.batch else "",
        "seed": lambda r: str(r.facts.environment.seed) if r.facts.environment.torch and r.model.kind != "weights" else "",
        "device": lambda r: r.facts.environment.device,
        "machine": machine,
        "thread count": lambda r: (
            str(r.facts.environment.threads) if r.facts.profile and r.facts.environment.device == "cpu" else ""
        ),
        "torch": lambda r: r.facts.environment.torch,
        "Python": lambda r: ".".join(r.facts.environment.python.split(".")[:2]),
        "nnreport": lambda r: r.facts.environment.nnreport,
    }
    found = []
    for name, read in readers.items():
        before, after = read(old), read(new)
        if before and after and before != after:
            found.append(Setting(name=name, old=before, new=after))
    return found


def inputs(report: Report) -> str:
    """Shapes and dtypes of the inputs, whatever their names: ``float32[1, 784]``."""
    return ", ".join(input_type(spec) for spec in report.facts.target.inputs)


def input_type(spec: InputSpec) -> str:
    """``float32[1, 784]``, or the value of what is no tensor."""
    if spec.tensor is None:
        return spec.value
    return f"{spec.tensor.dtype}[{', '.join(map(str, spec.tensor.shape))}]"


def data(probe: Probe | None) -> str:
    """Where the batches came from."""
    if probe is None or probe.data is None:
        return ""
    return (probe.data.source or "yours") if probe.data.user else "synthetic"


def optimizer(probe: Probe | None) -> str:
    """``adam(lr=0.001)``."""
    if probe is None or probe.optimizer is None:
        return ""
    rate = f"(lr={probe.optimizer.learning_rate:g})" if probe.optimizer.learning_rate else ""
    return f"{probe.optimizer.name}{rate}"


def threads(report: Report) -> str:
    """Threads of the CPU, where something was timed on it."""
    environment = report.facts.environment
    return str(environment.threads) if report.facts.profile and environment.device == "cpu" and environment.threads else ""


def machine(report: Report) -> str:
    """What it was measured on, where something was measured."""
    environment = report.facts.environment
    if report.facts.profile is None:
        return ""
    return ", ".join(filter(None, (environment.platform, environment.device_name)))
