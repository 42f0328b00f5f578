"""A make-believe network: builds the tree and the recorded forward side by side, as an inspector would have found them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

from nnreport.facts import Call, Graph, Location, Module, Node, Parameter, Range, TensorInfo, Tree, Witness

NN = "torch.nn.modules"
FILES = {
    "Linear": "linear",
    "Conv2d": "conv",
    "BatchNorm2d": "batchnorm",
    "LayerNorm": "normalization",
    "ReLU": "activation",
    "GELU": "activation",
}


def info(shape: list[int], dtype: str = "float32") -> TensorInfo:
    return TensorInfo(shape=shape, dtype=dtype)


class Net:
    """Grows a net by calling it: every layer method takes the id of the node it reads and gives the id of the node it made."""

    def __init__(self, cls: str = "__main__.Net", file: str = "model.py") -> None:
        self.file = file
        self.line = 10
        self.modules: dict[str, Module] = {}
        self.parameters: list[Parameter] = []
        self.calls: list[Call] = []
        self.nodes: list[Node] = []
        self.stack: list[Call] = []
        self._module("", cls, "", {})
        self.root = self._open("", [])

    # ------------------------------------------------------------------------------------------------ the framework

    def _module(self, path: str, cls: str, kind: str, settings: dict) -> Module:
        if path in self.modules:
            return self.modules[path]
        parent = path.rpartition(".")[0] if path else None
        user = not cls.startswith("torch.")
        where = Location(path=self.file if user else f"torch/nn/modules/{FILES.get(kind, 'module')}.py", line=8, user=user)
        self.modules[path] = Module(path=path, cls=cls, kind=kind, location=where, parent=parent, settings=settings)
        if parent is not None:
            self.modules[parent].children.append(path)
        return self.modules[path]

    def _open(self, path: str, inputs: list[TensorInfo]) -> Call:
        self.line += 1
        here = Location(path=self.file, line=self.line, function="forward", text=f"x = self.{path.rpartition('.')[2]}(x)")
        parent = self.stack[-1].id if self.stack else None
        nth = sum(call.module == path for call in self.calls)
        call = Call(id=len(self.calls), module=path, parent=parent, nth=nth, inputs=inputs, location=here if path else None)
        self.calls.append(call)
        self.stack.append(call)
        self.modules[path].calls += 1
        self.modules[path].train_calls += 1
        return call

    def _close(self, outputs: list[TensorInfo]) -> None:
        self.stack.pop().outputs = outputs

    @contextmanager
    def inside(self, path: str, cls: str, x: int | None = None) -> Iterator[None]:
        """Everything made within happens in the container ``path``."""
        kind = cls.rpartition(".")[2] if cls.startswith(NN) else ""
        self._module(path, cls, kind, {})
        self._open(path, self.nodes[x].outputs if x is not None else [])
        yield
        self._close(self.nodes[-1].outputs)

    def input(self, shape: list[int], name: str = "x", dtype: str = "float32") -> int:
        return self._node("input", name, [], info(shape, dtype), call=None)

    def _node(
        self, kind: str, name: str, inputs: list[int], out: TensorInfo | None, flops: int = 0, call: int | None = -1, **more
    ) -> int:
        here = self.stack[-1] if self.stack else None
        node = Node(
            id=len(self.nodes),
            kind=kind,
            name=name,
            call=(here.id if here else None) if call == -1 else call,
            module=here.module if here else "",
            inputs=inputs,
            reads=[self.nodes[i].outputs[0] for i in inputs],
            outputs=[out] if out else [],
            flops=flops,
            location=here.location if here else None,
            differentiable=kind == "op",
            **more,
        )
        self.nodes.append(node)
        for each in self.stack:
            each.flops += flops
            each.flops_backward += 2 * flops
        return node.id

    def op(self, name: str, *inputs: int, shape: list[int] | None = None, flops: int = 0, **attributes) -> int:
        shape = shape or self.nodes[inputs[0]].outputs[0].shape
        return self._node("op", name, list(inputs), info(shape), flops, attributes=attributes)

    def layer(
        self,
        path: str,
        kind: str,
        x: int,
        operation: str,
        shape: list[int],
        weights: dict[str, list[int]],
        flops: int = 0,
        **settings,
    ) -> int:
        module = self._module(path, f"{NN}.{FILES.get(kind, kind.lower())}.{kind}", kind, settings)
        if not module.parameters:
            for name, size in weights.items():
                count = math.prod(size)
                module.parameters += count
                full = f"{path}.{name}"
                self.parameters.append(
                    Parameter(name=full, module=path, shape=size, dtype="float32", count=count, size=4 * count)
                )
        self._open(path, self.nodes[x].outputs)
        made = self._node("op", operation, [x], info(shape), flops, parameters=[f"{path}.{name}" for name in weights])
        self._close([info(shape)])
        return made

    # ------------------------------------------------------------------------------------------------------- layers

    def shape(self, x: int) -> list[int]:
        return self.nodes[x].outputs[0].shape

    def linear(self, path: str, x: int, out: int, bias: bool = True) -> int:
        *lead, width = self.shape(x)
        weights = {"weight": [out, width]} | ({"bias": [out]} if bias else {})
        flops = 2 * math.prod(lead) * width * out
        return self.layer(
            path, "Linear", x, "linear", [*lead, out], weights, flops, in_features=width, out_features=out, bias=bias
        )

    def conv(self, path: str, x: int, out: int, kernel: int = 3, stride: int = 1) -> int:
        n, c, h, w = self.shape(x)
        h, w = h // stride, w // stride
        flops = 2 * n * out * h * w * c * kernel**2
        weights = {"weight": [out, c, kernel, kernel]}
        return self.layer(
            path,
            "Conv2d",
            x,
            "conv2d",
            [n, out, h, w],
            weights,
            flops,
            in_channels=c,
            out_channels=out,
            kernel_size=[kernel, kernel],
            stride=[stride, stride],
        )

    def norm(self, path: str, x: int, kind: str = "LayerNorm") -> int:
        width = self.shape(x)[1 if kind == "BatchNorm2d" else -1]
        operation = "batch_norm" if kind == "BatchNorm2d" else "layer_norm"
        return self.layer(
            path, kind, x, operation, self.shape(x), {"weight": [width], "bias": [width]}, eps=1e-5, num_features=width
        )

    def act(self, path: str, x: int, kind: str = "ReLU") -> int:
        return self.layer(path, kind, x, kind.lower(), self.shape(x), {})

    # ------------------------------------------------------------------------------------------------------- results

    def finish(self, *outputs: int) -> tuple[Tree, Graph]:
        for i, out in enumerate(outputs):
            name = str(i) if len(outputs) > 1 else "output"
            self._node("output", name, [out], self.nodes[out].outputs[0], call=None)
        self._close([self.nodes[out].outputs[0] for out in outputs])
        self.root.inputs = [node.outputs[0] for node in self.nodes if node.kind == "input"]
        for module in reversed(self.modules.values()):
            module.total += module.parameters
            module.trainable = module.total
            module.size = 4 * module.total
            if module.parent is not None:
                self.modules[module.parent].total += module.total
            inner = ",".join(self.modules[child].signature for child in module.children)
            module.signature = f"{hash_text(f'{module.cls}|{sorted(module.settings.items())}|{inner}')}"
        for node in self.nodes:
            node.output_range = Range(minimum=-2.0, maximum=2.5, mean=0.1, std=0.8, count=1000)
        root = self.modules[""]
        tree = Tree(
            modules=list(self.modules.values()),
            parameters=self.parameters,
            total=root.total,
            trainable=root.total,
            size=root.size,
        )
        graph = Graph(
            calls=self.calls,
            nodes=self.nodes,
            batch=self.nodes[0].outputs[0].shape[0],
            flops=self.root.flops,
            flops_backward=self.root.flops_backward,
            output="tensor",
            activation_size=sum(4 * math.prod(out.shape) for node in self.nodes for out in node.outputs),
            witness=Witness(name="torchview", state="agrees", calls=len(self.calls), expected=len(self.calls), seconds=0.1),
        )
        return tree, graph


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
