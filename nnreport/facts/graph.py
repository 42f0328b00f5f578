"""The recorded forward pass, and how far gradients reach."""

from __future__ import annotations

from typing import Literal

from nnreport.facts.base import Location, Range, Record, Scalar, TensorInfo


class Call(Record):
    """One call of one module."""

    id: int
    module: str
    """Module path; of an unregistered module ``owner.attribute[i]``, else ``owner.<Class>``."""
    parent: int | None = None
    """The call in which it happened."""
    nth: int = 0
    """0 for the first call of this module."""
    inputs: list[TensorInfo] = []
    outputs: list[TensorInfo] = []
    location: Location | None = None
    """The user's line that called it."""
    flops: int = 0
    """Forward, with its children's, for the given input."""
    flops_backward: int = 0
    failed: bool = False


class Node(Record):
    """One node of the graph: an input, a torch operation, a constant, an output.

    Operations are as the user wrote them (``relu``, ``softmax``, ``add``, ``linear``), not ATen kernels.
    """

    id: int
    kind: Literal["input", "op", "constant", "output"]
    name: str
    """op: function name without module (``linear``, ``relu``, ``matmul``, ``getitem``, ``scaled_dot_product_attention``);
    input, output: its name or key path (``logits``, ``0``); constant: attribute name or ``""``."""
    call: int | None = None
    """Innermost module call in which it ran."""
    module: str = ""
    """Module path of that call."""
    inputs: list[int] = []
    """Ids of the nodes whose tensors it reads, in argument order, activations only (not parameters)."""
    parameters: list[str] = []
    """Names of parameters and buffers it reads directly; an unregistered one is ``?``."""
    reads: list[TensorInfo] = []
    """Shapes of the tensors of ``inputs``, in the same order."""
    outputs: list[TensorInfo] = []
    attributes: dict[str, Scalar | list[int]] = {}
    """Literal arguments by name: ``dim``, ``p``, ``training``, ``inplace``, ``eps``, ``exponent``, ``other`` …"""
    location: Location | None = None
    """The user's own line from which it was called."""
    flops: int = 0
    uncounted: bool = False
    """It did arithmetic for which no formula is known."""
    input_ranges: list[Range | None] = []
    """Parallel to ``inputs``."""
    output_range: Range | None = None
    spread: float | None = None
    """How far samples differ in the output: std over the batch axis, averaged, over the output's rms; None if the leading axis
    is not the batch or the batch has fewer than 2 samples."""
    differentiable: bool = False
    """Its output requires a gradient."""
    cut: bool = False
    """A floating input required a gradient (or came of one that would) and the output does not: the gradient ends here."""
    inplace: bool = False


class Witness(Record):
    """A second, independent recording of the same forward, held against ours."""

    name: str
    state: Literal["agrees", "differs", "failed", "skipped"]
    detail: str = ""
    calls: int = 0
    """Module calls it saw."""
    expected: int = 0
    """Module calls that the hooks saw."""
    seconds: float = 0.0


class Graph(Record):
    """The recorded forward: module calls (a tree) and operations (a DAG)."""

    mode: Literal["eval", "train"] = "eval"
    calls: list[Call] = []
    nodes: list[Node] = []
    """In the order of execution; inputs first, outputs last."""
    batch: int | None = None
    """Size of the leading axis of the inputs, if it is the batch."""
    complete: bool = True
    """False: the forward raised, the graph ends there."""
    truncated: int = 0
    """Operations beyond the limit that were counted and not kept."""
    flops: int = 0
    flops_backward: int = 0
    uncounted: list[str] = []
    """Operations without a formula; the total is then a lower bound."""
    output: str = ""
    """Structure of the output in words: ``tensor``, ``dict(logits, loss)``, ``tuple of 2`` …"""
    activation_size: int = 0
    """Bytes of all operation outputs."""
    witness: Witness | None = None
    train_calls: dict[str, int] = {}
    """Module path -> calls in a train-mode forward."""
    syncs: list[Node] = []
    """Calls that wait for the device or leave torch: ``item``, ``cpu``, ``numpy``, ``tolist``, ``print``."""


class Reach(Record):
    """What one backward pass reached (a scalar of all differentiable outputs, or the loss)."""

    none: list[str] = []
    """Trainable parameters that no path of the autograd graph leads to."""
    zero: list[str] = []
    """Those whose gradient is exactly zero."""
    cuts: list[int] = []
    """Graph node ids at which the gradient ends, each upstream of some parameter in ``none`` and downstream of it nothing cut."""
    cut_parameters: dict[str, list[str]] = {}
    """str(node id) -> the trainable parameters it cuts off."""
    inputs: dict[str, bool] = {}
    """Input name -> a non-zero gradient arrives (floating inputs only)."""
    loss: str = ""
    """What was differentiated."""
