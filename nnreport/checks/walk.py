"""Walking the recorded graph back and forth, past the operations that only move numbers about.

Checks ask questions such as “what computed the tensor that this linear layer reads?”, and the answer must not be ``view``.
The index is built once per graph and shared by all checks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property

from nnreport.facts import Graph, Node


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYOUT = _names("""
    view reshape flatten unflatten squeeze unsqueeze permute transpose swapaxes swapdims movedim moveaxis t adjoint T mT H mH
    contiguous view_as reshape_as expand expand_as broadcast_to unfold rearrange ravel pixel_shuffle pixel_unshuffle
    channel_shuffle atleast_1d atleast_2d atleast_3d
""")
"""The same numbers in another shape or order."""
CAST = _names("""
    to type type_as float half bfloat16 double clone alias cuda cpu identity positive requires_grad retain_grad data
    as_subclass lift_fresh
""")
"""The same numbers in another type or place."""
SELECT = _names("""
    getitem select narrow chunk split tensor_split split_with_sizes unbind index_select take_along_dim gather hsplit vsplit
    dsplit masked_select diagonal
""")
"""Some of the numbers."""
DROPOUT = _names("""
    dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout feature_alpha_dropout native_dropout
""")
"""Identity in evaluation."""
TRANSPARENT = LAYOUT | CAST | SELECT | DROPOUT
"""What a reader of the network looks past."""

CONVOLUTIONS = _names("conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d")
AFFINE = CONVOLUTIONS | {"linear", "addmm"}
"""Linear maps with weights."""
BATCH_NORMS = _names("batch_norm sync_batch_norm native_batch_norm")
NORMS = BATCH_NORMS | _names("""
    instance_norm layer_norm group_norm rms_norm local_response_norm normalize native_layer_norm native_group_norm
""")
SOFTMAXES = _names("softmax log_softmax softmin gumbel_softmax sparse_softmax")
RELUS = _names("relu relu6 threshold")
ACTIVATIONS = RELUS | _names("""
    gelu elu selu celu leaky_relu rrelu prelu silu mish tanh sigmoid hardtanh hardsigmoid hardswish hardshrink softshrink
    tanhshrink softplus softsign logsigmoid glu swish
""")
"""Element-wise non-linearities (and ``glu``)."""
POOLS = frozenset(
    f"{how}_pool{n}d{tail}"
    for how in ("max", "avg", "lp", "adaptive_avg", "adaptive_max", "fractional_max")
    for n in (1, 2, 3)
    for tail in ("", "_with_indices")
)
JOINS = _names("cat concat concatenate stack hstack vstack dstack column_stack")

SYNONYMS = {
    "iadd": "add",
    "radd": "add",
    "isub": "sub",
    "rsub": "sub",
    "subtract": "sub",
    "imul": "mul",
    "rmul": "mul",
    "multiply": "mul",
    "itruediv": "div",
    "truediv": "div",
    "rtruediv": "div",
    "divide": "div",
    "true_divide": "div",
    "mm": "matmul",
    "bmm": "matmul",
    "rmatmul": "matmul",
    "imatmul": "matmul",
    "concat": "cat",
    "concatenate": "cat",
    "clip": "clamp",
    "special_softmax": "softmax",
    "special_log_softmax": "log_softmax",
    "special_expit": "sigmoid",
    "expit": "sigmoid",
}


def operation(node: Node) -> str:
    """The operation's plain name: without the underscores of in-place and special methods, synonyms as one."""
    name = node.name.strip("_")
    return SYNONYMS.get(name, name)


class Walk:
    """Who reads what, in one graph. Node ids are the handles; everything is in order of execution."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: dict[int, Node] = {node.id: node for node in graph.nodes}
        self.names: dict[int, str] = {node.id: operation(node) for node in graph.nodes}
        self._readers: dict[int, list[int]] = {}
        for node in graph.nodes:
            for read in dict.fromkeys(node.inputs):
                self._readers.setdefault(read, []).append(node.id)
        self.outputs: list[Node] = [node for node in graph.nodes if node.kind == "output"]
        self._live: set[int] | None = None

    def name(self, node: Node) -> str:
        """The operation's plain name (see :func:`operation`); of an input or output its own name."""
        return self.names[node.id]

    def producers(self, node: Node) -> list[Node]:
        """The nodes whose tensors it reads, in argument order."""
        return [self.nodes[i] for i in node.inputs if i in self.nodes]

    def readers(self, node: Node) -> list[Node]:
        """The nodes that read its output, each once."""
        return [self.nodes[i] for i in self._readers.get(node.id, ())]

    def past(self, node: Node, through: Collection[str] = TRANSPARENT) -> Node:
        """``node`` itself, or what computed its value: walks back over operations named in ``through`` (first argument)."""
        seen = set()
        while node.kind == "op" and self.names[node.id] in through and node.inputs and node.id not in seen:
            seen.add(node.id)
            before = self.nodes.get(node.inputs[0])
            if before is None:
                break
            node = before
        return node

    def source(self, node: Node, argument: int = 0, through: Collection[str] = TRANSPARENT) -> Node | None:
        """What computed the tensor that ``node`` reads as input number ``argument``; None where nothing recorded did."""
        if argument >= len(node.inputs) or node.inputs[argument] not in self.nodes:
            return None
        return self.past(self.nodes[node.inputs[argument]], through)

    def sources(self, node: Node, through: Collection[str] = TRANSPARENT) -> list[Node]:
        """:meth:`source` of every argument, each once."""
        found = [self.source(node, argument, through) for argument in range(len(node.inputs))]
        return list({each.id: each for each in found if each is not None}.values())

    def users(self, node: Node, through: Collection[str] = TRANSPARENT) -> list[Node]:
        """Who uses its value: its readers, with the operations named in ``through`` replaced by their own readers."""
        found: dict[int, Node] = {}
        stack, seen = [node], {node.id}
        while stack:
            for reader in self.readers(stack.pop()):
                if reader.id in seen:
                    continue
                seen.add(reader.id)
                if reader.kind == "op" and self.names[reader.id] in through:
                    stack.append(reader)
                else:
                    found[reader.id] = reader
        return [found[i] for i in sorted(found)]

    def upstream(self, node: Node) -> set[int]:
        """Ids of all nodes that its value depends on, itself included."""
        return self._closure(node.id, lambda i: self.nodes[i].inputs if i in self.nodes else ())

    @staticmethod
    def _closure(start: int, step: Callable[[int], Iterable[int]]) -> set[int]:
        seen, stack = {start}, [start]
        while stack:
            for near in step(stack.pop()):
                if near not in seen:
                    seen.add(near)
                    stack.append(near)
        return seen

    @property
    def live(self) -> set[int]:
        """Ids of the nodes that some output depends on."""
        if self._live is None:
            seen: set[int] = set()
            stack = [node.id for node in self.outputs]
            while stack:
                i = stack.pop()
                if i not in seen and i in self.nodes:
                    seen.add(i)
                    stack += self.nodes[i].inputs
            self._live = seen
        return self._live

    def reaches_output(self, node: Node) -> bool:
        """Does some output of the model depend on it?"""
        return node.id in self.live

    def operations(self, names: Collection[str] | None = None) -> Iterator[Node]:
        """The operations, or those of the given plain names."""
        if names is None:
            return iter([node for node in self.graph.nodes if node.kind == "op"])
        return iter(sorted((node for name in names for node in self.by_name.get(name, ())), key=lambda node: node.id))

    @cached_property
    def by_name(self) -> dict[str, list[Node]]:
        """Plain name -> its operations."""
        found: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            if node.kind == "op":
                found.setdefault(self.names[node.id], []).append(node)
        return found

    def final(self, through: Collection[str] = TRANSPARENT) -> list[tuple[Node, Node]]:
        """(output node, what computed it past reshapes) of every output."""
        found = ((out, self.source(out, 0, through)) for out in self.outputs)
        return [(out, source) for out, source in found if source is not None]


_last: tuple[Graph, int, Walk] | None = None


def walk(graph: Graph) -> Walk:
    """The index of a graph; the last one made is kept, since all checks ask about the same graph."""
    global _last
    if _last is None or _last[0] is not graph or _last[1] != len(graph.nodes):
        _last = (graph, len(graph.nodes), Walk(graph))
    return _last[2]


def elements(shape: Iterable[int]) -> int:
    """Number of elements of a shape; a scalar has one."""
    count = 1
    for size in shape:
        count *= size
    return count


def width(node: Node) -> int | None:
    """Features of a node's first output: axis 1 of a convolution, norm or pool on N,C,…; else the last axis."""
    if not node.outputs or not node.outputs[0].shape:
        return None
    shape = node.outputs[0].shape
    channels_first = operation(node) in CONVOLUTIONS | BATCH_NORMS | POOLS | {"instance_norm", "group_norm"}
    return shape[1] if channels_first and len(shape) > 1 else shape[-1]
