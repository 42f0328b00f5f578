"""The weight matrices of a net in order of execution, and what becomes of each one's output.

Initialisation and gradient checks all ask the same: is this an ordinary hidden layer, an output layer, one whose scale a norm
takes away, or the end of a residual branch that may well start small? One pass over the graph answers for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from nnreport.checks.walk import (
    ACTIVATIONS,
    AFFINE,
    BATCH_NORMS,
    CAST,
    DROPOUT,
    LAYOUT,
    NORMS,
    POOLS,
    SELECT,
    Walk,
    walk,
)
from nnreport.facts import Facts, Graph, Node, Parameter, WeightStats

LINEAR_KINDS = frozenset({"Linear", "LazyLinear", "NonDynamicallyQuantizableLinear", "Bilinear"})
CONV_KINDS = frozenset(
    f"{lazy}Conv{transposed}{n}d" for lazy in ("", "Lazy") for transposed in ("", "Transpose") for n in (1, 2, 3)
)
RECURRENT_KINDS = frozenset({"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"})
ATTENTION_KINDS = frozenset({"MultiheadAttention"})
EMBEDDING_KINDS = frozenset({"Embedding", "EmbeddingBag"})
WEIGHTED_KINDS = LINEAR_KINDS | CONV_KINDS | RECURRENT_KINDS | ATTENTION_KINDS

RECURRENT_CALLS = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"})
PRODUCTS = AFFINE | RECURRENT_CALLS | {"matmul", "einsum", "bilinear", "multi_head_attention_forward", "baddbmm", "tensordot"}
"""Operations that read a weight matrix as it is."""
MOVES = LAYOUT | CAST | SELECT | DROPOUT | POOLS
"""What does not change the scale that the next reader sees by much."""
REPARAMETRISED = ("weight_g", "weight_v", "weight_orig", "original", "original0", "original1")
"""Names under which weight norm, spectral norm and other parametrisations keep what the weight is computed from."""

Fate = Literal["norm", "residual", "scaled", "output", "hidden", "unknown"]
"""What happens to a layer's output: a norm reads it; it is added to another signal; it is multiplied or divided; no other weight
follows; another weight follows (past activations); not known."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """One trainable weight matrix."""

    stats: WeightStats
    parameter: Parameter
    kind: str
    """torch.nn class of its owner, or ``""``."""
    node: Node | None
    """The operation that reads it first."""
    layers: Layers = field(repr=False)
    """What it is one of."""

    @cached_property
    def fate(self) -> Fate:
        """What becomes of its layer's output."""
        return self.layers.fate(self.node) if self.node is not None else "unknown"

    @property
    def name(self) -> str:
        return self.stats.name

    @property
    def module(self) -> str:
        return self.stats.module or self.parameter.module

    @property
    def fan_in(self) -> int:
        """Inputs of one unit: of a transposed convolution torch counts the outputs, so the smaller of both is taken there."""
        if "ConvTranspose" in self.kind:
            return max(1, min(self.stats.fan_in, self.stats.fan_out))
        if self.kind in RECURRENT_KINDS:
            return self.stats.shape[-1]
        return max(1, self.stats.fan_in)

    @property
    def units(self) -> int:
        return self.stats.rows or self.stats.shape[0]

    @property
    def depthwise(self) -> bool:
        """A convolution of which each output sees one channel: its units are told apart by what they see."""
        return self.kind in CONV_KINDS and len(self.stats.shape) > 2 and self.stats.shape[1] == 1 and self.stats.shape[0] > 1


class Layers:
    """The matrices of one :class:`~nnreport.facts.Facts`."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.graph: Graph | None = facts.graph
        self.kinds = {module.path: module.kind for module in facts.tree.modules} if facts.tree else {}
        self.aliases: dict[str, str] = {}
        for module in facts.tree.modules if facts.tree else ():
            for alias in module.aliases:
                self.kinds.setdefault(alias, module.kind)

    @cached_property
    def walk(self) -> Walk | None:
        return walk(self.graph) if self.graph is not None and self.graph.nodes else None

    @cached_property
    def reads(self) -> dict[str, Node]:
        """Parameter name -> the first operation that reads it."""
        found: dict[str, Node] = {}
        for node in self.graph.nodes if self.graph else ():
            for name in node.parameters:
                found.setdefault(name, node)
        return found

    @cached_property
    def from_input(self) -> set[int]:
        """Ids of the nodes that depend on an input of the model."""
        found: set[int] = set()
        for node in self.graph.nodes if self.graph else ():
            if node.kind == "input" or any(i in found for i in node.inputs):
                found.add(node.id)
        return found

    @cached_property
    def followed(self) -> set[int]:
        """Ids of the nodes after which another weight matrix is applied on the way to the output."""
        found: set[int] = set()
        nodes = self.walk
        for node in reversed(self.graph.nodes) if self.graph and nodes else ():
            if node.id in found or (nodes and nodes.name(node) in PRODUCTS and node.parameters):
                found.update(node.inputs)
        return found

    def fate(self, node: Node) -> Fate:
        """What becomes of the output of a node that applies a weight."""
        graph = self.walk
        if graph is None:
            return "unknown"
        users = graph.users(node, MOVES)
        names = {graph.name(user) for user in users if user.kind == "op"}
        if names & (NORMS | BATCH_NORMS):
            return "norm"
        for user in users:
            if user.kind == "op" and graph.name(user) in {"add", "sub"} and len(set(user.inputs)) > 1:
                return "residual" if node.id in self.followed else "output"
        if names & {"mul", "div", "pow", "square", "norm", "linalg_norm", "vector_norm"}:
            return "scaled" if node.id in self.followed else "output"
        return "hidden" if node.id in self.followed else "output"

    @cached_property
    def matrices(self) -> list[Matrix]:
        """Trainable weights of linear, convolutional, recurrent and attention layers, in order of execution; embeddings, norms,
        reparametrised and low-dimensional parameters are none."""
        parameters = {each.name: each for each in self.facts.tree.parameters} if self.facts.tree else {}
        found = []
        for stats in self.facts.weights.stats if self.facts.weights else ():
            parameter = parameters.get(stats.name)
            if stats.kind != "parameter" or len(stats.shape) < 2 or parameter is None or not parameter.trainable:
                continue
            if stats.count < 2 or stats.name.rpartition(".")[2] in REPARAMETRISED:
                continue
            owners = {self.kinds.get(name.rpartition(".")[0], "") for name in (parameter.name, *parameter.tied)}
            if owners & EMBEDDING_KINDS:
                continue
            kind = next((each for each in owners if each in WEIGHTED_KINDS), "")
            node = next((self.reads[name] for name in (parameter.name, *parameter.tied) if name in self.reads), None)
            direct = node is not None and self.walk is not None and self.walk.name(node) in PRODUCTS
            if not kind and not (direct and sum(size > 1 for size in stats.shape) >= 2):
                continue
            if kind and node is not None and not direct:
                continue  # its own forward computes the weight from it
            found.append(Matrix(stats=stats, parameter=parameter, kind=kind, node=node, layers=self))
        last = len(self.graph.nodes) if self.graph else 0
        order = {matrix.name: i for i, matrix in enumerate(found)}
        return sorted(found, key=lambda matrix: (matrix.node.id if matrix.node else last, order[matrix.name]))


_last: tuple[Facts, Layers] | None = None


def layers(facts: Facts) -> Layers:
    """The matrices of these facts; the last ones made are kept, since many checks ask."""
    global _last
    if _last is None or _last[0] is not facts:
        _last = (facts, Layers(facts))
    return _last[1]


__all__ = ["ACTIVATIONS", "CONV_KINDS", "EMBEDDING_KINDS", "PRODUCTS", "RECURRENT_KINDS", "Fate", "Layers", "Matrix", "layers"]
