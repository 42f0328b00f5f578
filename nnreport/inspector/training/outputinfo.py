"""What the tensor is that the loss reads: its values, what made it, and how far samples differ in it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nnreport.facts import Graph, Node, OutputInfo
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.training.dead import RESHAPES
from nnreport.inspector.training.outputs import last_operation, sums_to_one
from nnreport.inspector.weighing.statistics import range_of

TELLING = frozenset(("softmax", "log_softmax", "sigmoid", "relu", "tanh", "logsigmoid"))
"""Activations about which the recorded (eval) graph and the trained forward must agree."""


def describe_output(name: str, value: Tensor, batch: int | None, graph: Graph | None) -> OutputInfo:
    """Facts of the output ``value``, called ``name``, before the first step.

    Args:
        name: its key path in the output; ``""`` for a bare tensor.
        value: from a train-mode forward.
        batch: size of the batch, if the leading axes of the inputs are one.
        graph: the recorded forward, where the last activation is looked up.
    """
    info = OutputInfo(name=name, tensor=tensor_info(value), range=range_of(value))
    info.sums_to_one = sums_to_one(value)
    info.log_sums_to_one = sums_to_one(value, logarithmic=True)
    info.activation = last_operation(value)
    node = last_node(graph, name, value)
    if node is not None:
        seen = node.name.strip("_")
        if seen == info.activation or not {seen, info.activation} & TELLING:
            info.activation, info.module, info.node = seen, node.module, node.id
    if batch is not None and batch > 1 and value.dim() and value.shape[0] == batch and not value.is_complex():
        flat = value.detach().reshape(batch, -1).float()
        deviation = flat.std(0, correction=0).mean()
        scale = flat.pow(2).mean().sqrt()
        if bool(torch.isfinite(deviation)):
            info.spread_absolute = float(deviation)
            info.spread = float(deviation / scale) if float(scale) > 0 else 0.0
    return info


def last_node(graph: Graph | None, name: str, value: Tensor) -> Node | None:
    """The graph's last operation before the output of this name (or shape) that is no reshape."""
    if graph is None:
        return None
    outputs = [node for node in graph.nodes if node.kind == "output"]
    shape = list(value.shape)[1:]
    chosen: Any = next((n for n in outputs if name and n.name.replace("[", ".").replace("]", "").strip(".") == name), None)
    chosen = chosen or next((n for n in outputs if [t.shape[1:] for t in n.reads[:1]] == [shape]), None)
    if chosen is None and len(outputs) == 1:
        chosen = outputs[0]
    nodes = {node.id: node for node in graph.nodes}
    for _ in range(len(nodes)):
        if chosen is None or not chosen.inputs:
            return None
        chosen = nodes.get(chosen.inputs[0])
        if chosen is None or chosen.kind != "op":
            return None
        if chosen.name.strip("_") not in RESHAPES:
            return chosen
    return None
