"""Trees from a short notation: ``grow({"fc": linear(4, 8), "blocks": [block(8), block(8)]})``."""

from typing import Any

from nnreport.facts import Module, Parameter, Tree

Layer = tuple[str, dict[str, Any], dict[str, list[int]]]


def linear(fan_in: int, fan_out: int, bias: bool = True) -> Layer:
    shapes = {"weight": [fan_out, fan_in]} | ({"bias": [fan_out]} if bias else {})
    return "Linear", {"in_features": fan_in, "out_features": fan_out}, shapes


def norm(width: int) -> Layer:
    return "LayerNorm", {"eps": 1e-5}, {"weight": [width], "bias": [width]}


def plain(cls: str, **settings: Any) -> Layer:
    return cls, settings, {}


def block(width: int, act: str = "ReLU") -> dict[str, Any]:
    return {
        "cls": "Block",
        "norm": norm(width),
        "up": linear(width, 4 * width),
        "act": plain(act),
        "down": linear(4 * width, width),
    }


def grow(children: dict[str, Any], frozen: tuple[str, ...] = (), package: str = "model") -> Tree:
    """A tree; a list is a Sequential, a dict a container whose class stands under ``cls``, a tuple a layer."""
    modules: list[Module] = []
    parameters: list[Parameter] = []

    def add(path: str, what: Any, parent: str | None) -> int:
        cls, settings, shapes, below = what if isinstance(what, tuple) and len(what) == 4 else (*unfold(what),)
        own = "torch.nn." if isinstance(what, tuple | list) else f"{package}."
        module = Module(path=path, cls=own + cls, parent=parent, settings=settings, calls=1)
        modules.append(module)
        for name, shape in shapes.items():
            full = f"{path}.{name}".lstrip(".")
            size = 1
            for dim in shape:
                size *= dim
            parameters.append(Parameter(name=full, module=path, shape=shape, dtype="float32", trainable=path not in frozen))
            module.parameters += size
        module.total = module.parameters
        for name, child in below.items():
            module.children.append(name)
            module.total += add(f"{path}.{name}".lstrip("."), child, path)
        return module.total

    total = add("", {"cls": "Net", **children}, None)
    return Tree(modules=modules, parameters=parameters, total=total, trainable=total, size=4 * total)


def unfold(what: Any) -> tuple[str, dict[str, Any], dict[str, list[int]], dict[str, Any]]:
    if isinstance(what, list):
        return "Sequential", {}, {}, {str(i): child for i, child in enumerate(what)}
    if isinstance(what, dict):
        return what.get("cls", "Module"), {}, {}, {name: child for name, child in what.items() if name != "cls"}
    cls, settings, shapes = what
    return cls, settings, shapes, {}
