"""What an operation wanted, and what it got, in words; and how to mend it where that can be told.

One small function for each family of torch's errors. Each takes a :class:`Scene` and gives ``(expected, hint)``, or None where it
has nothing to say; the first that speaks is heard. Words are taken from the shapes and settings where those are known, from the
message only where they are not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor, nn

from nnreport.inspector.loading.signatures import forward_of
from nnreport.inspector.tracing.structure import dtype_name, flat_tensors

Words = tuple[str, str]
NUMBER_AXES = {"1d": 1, "2d": 2, "3d": 3}


@dataclass
class Scene:
    """What is known of the moment an operation raised.

    Attributes:
        error: the exception.
        operation: name of the torch function, ``""`` where none raised.
        args, kwargs: its arguments; without an operation the module's.
        module: the innermost module, None if unknown.
        caller: the module that called it.
    """

    error: BaseException
    operation: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    module: nn.Module | None
    caller: nn.Module | None = None

    @property
    def message(self) -> str:
        return str(self.error)

    @property
    def tensors(self) -> list[Tensor]:
        found: list[Tensor] = []
        flat_tensors(list(self.args), found)
        flat_tensors(dict(self.kwargs), found)
        return found

    def argument(self, position: int, *names: str) -> Any:
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), None)


def explain(scene: Scene) -> Words:
    """(what was expected and what came, how to mend it); empty strings where nothing can be said for sure."""
    for speak in SPEAKERS:
        try:
            words = speak(scene)
        except Exception:  # an unusual argument: say nothing rather than something wrong
            continue
        if words:
            return words
    return "", ""


def shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def plural(count: int, one: str) -> str:
    several = one.replace("axis", "axes") if "axis" in one else f"{one}s"
    return f"{count} {one if count == 1 else several}"


def devices(scene: Scene) -> Words | None:
    if not re.search(r"same device|device type|expected device", scene.message):
        return None
    found = list(dict.fromkeys(str(tensor.device) for tensor in scene.tensors))
    return (
        f"all tensors on one device, got {' and '.join(found) or 'several'}",
        "make tensors in forward on the input's device (`device=x.device`), and register constants with `register_buffer`",
    )


def dtypes(scene: Scene) -> Words | None:
    text = scene.message
    if not re.search(
        r"same dtype|expected scalar type|should be the same|expected m1 and m2|not implemented for '(Long|Int|Bool)'", text
    ):
        return None
    tensors = scene.tensors
    if len(tensors) >= 2 and tensors[0].dtype != tensors[1].dtype:
        given, wanted = dtype_name(tensors[0].dtype), dtype_name(tensors[1].dtype)
        return f"{wanted}, got {given}", cast_hint(given, wanted)
    missing = re.search(r"not implemented for '(\w+)'", text)
    if missing and tensors:
        given = dtype_name(tensors[0].dtype)
        return f"a floating dtype, got {given}", cast_hint(given, "float32")
    return None


def cast_hint(given: str, wanted: str) -> str:
    if "int" in given or given == "bool":
        return "pass floating numbers (`x = x.float()`), or look integers up in an nn.Embedding"
    return f"cast one side: `x = x.to(torch.{wanted})`" if wanted else ""


def linear(scene: Scene) -> Words | None:
    if scene.operation != "linear":
        return None
    given, weight = scene.argument(0, "input"), scene.argument(1, "weight")
    wanted, got = weight.shape[1], given.shape[-1] if given.dim() else 1
    if wanted == got:
        return None
    said = f"{plural(wanted, 'feature')} in the last axis, got {got}"
    sizes = list(given.shape)
    for start in range(1, len(sizes)):
        if prod(sizes[start:]) == wanted:
            return said, f"flatten it first: `x = x.flatten({start})`"
    if len(sizes) > 1 and prod(sizes) == wanted:
        return said, "the input has no batch axis: `x = x.flatten().unsqueeze(0)`"
    if len(sizes) == 2 and wanted == sizes[0]:
        return said, f"the axes are swapped, or the layer should be nn.Linear({got}, {weight.shape[0]})"
    if wanted in sizes[1:-1]:
        return said, f"move the axis of size {wanted} to the end: `x = x.transpose({sizes.index(wanted, 1)}, -1)`"
    return said, f"make the layer fit what reaches it: `nn.Linear({got}, {weight.shape[0]})`, or mend what comes before it"


def convolution(scene: Scene) -> Words | None:
    match = re.fullmatch(r"conv(_transpose)?([123]d)", scene.operation)
    if not match:
        return None
    transposed, axes = bool(match[1]), NUMBER_AXES[match[2]]
    given, weight = scene.argument(0, "input"), scene.argument(1, "weight")
    groups = scene.argument(6, "groups")
    groups = groups if isinstance(groups, int) else 1
    wanted = weight.shape[0] if transposed else weight.shape[1] * groups
    layout = ("N, C, L", "N, C, H, W", "N, C, D, H, W")[axes - 1]
    if given.dim() not in (axes + 1, axes + 2):
        said = f"{axes + 2} axes ({layout}) with {plural(wanted, 'channel')}, got {plural(given.dim(), 'axis')} ({shape(given)})"
        return (
            said,
            "give it an image, not a flattened one: `x = x.view(x.size(0), channels, height, width)`" if given.dim() == 2 else "",
        )
    channels = given.shape[-axes - 1]
    if channels != wanted:
        said = f"{plural(wanted, 'channel')} in axis {given.dim() - axes - 1} ({layout}), got {channels}"
        if given.shape[-1] == wanted:
            order = ("0, 2, 1", "0, 3, 1, 2", "0, 4, 1, 2, 3")[axes - 1]
            return said, f"the channels stand last: `x = x.permute({order})`"
        if given.dim() == axes + 1 and wanted == 1:
            return said, "the channel axis is missing: `x = x.unsqueeze(1)`"
        kernel = ", ".join(map(str, weight.shape[2:]))
        name = f"nn.Conv{'Transpose' if transposed else ''}{match[2]}"
        return said, f"make the layer fit what reaches it: `{name}({channels}, …, kernel_size=({kernel}))`"
    if "Kernel size can't be greater" in scene.message or "greater than actual input" in scene.message:
        kernel_text, got = shape(weight[0, 0]), "×".join(map(str, given.shape[-axes:]))
        return (
            f"a map of at least {kernel_text} (its kernel), got {got}",
            "pool or stride less before it, pad, or use a larger input",
        )
    return None


def small_map(scene: Scene) -> Words | None:
    if "Output size is too small" not in scene.message and "smaller than kernel size" not in scene.message:
        return None
    given = scene.tensors[0]
    return f"a larger map than {shape(given)}", "pool or stride less before it, or use a larger input"


def embedding(scene: Scene) -> Words | None:
    if scene.operation not in ("embedding", "embedding_bag"):
        return None
    given, weight = scene.argument(0, "input"), scene.argument(1, "weight")
    if given.is_floating_point():
        return (
            f"integer indices from 0 to {weight.shape[0] - 1}, got {dtype_name(given.dtype)}",
            f"pass token indices: `--input …:int64[0,{weight.shape[0]})`, or `x = x.long()`",
        )
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= weight.shape[0]:
        wrong = low if low < 0 else high
        more = f"give the embedding a row for every value (`nn.Embedding({high + 1}, {weight.shape[1]})`), or map them into range"
        hint = more if low >= 0 else "negative indices are no rows: mask or shift them first"
        return f"indices from 0 to {weight.shape[0] - 1}, got {wrong}", hint
    return None


def matmul(scene: Scene) -> Words | None:
    if scene.operation not in ("matmul", "mm", "bmm", "mv", "addmm", "baddbmm"):
        return None
    first, second = scene.tensors[-2:] if scene.operation in ("addmm", "baddbmm") else scene.tensors[:2]
    if first.dim() == 0 or second.dim() == 0:
        return "two tensors with axes", ""
    inner = second.shape[-2] if second.dim() > 1 else second.shape[0]
    if first.shape[-1] != inner:
        said = f"equal inner sizes, got {shape(first)} @ {shape(second)} ({first.shape[-1]} against {inner})"
        if second.dim() > 1 and second.shape[-1] == first.shape[-1]:
            return said, "transpose the second: `b.transpose(-2, -1)`"
        return said, ""
    return f"batch axes that agree, got {shape(first)} and {shape(second)}", ""


def broadcast(scene: Scene) -> Words | None:
    match = re.search(
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)", scene.message
    )
    if not match:
        return None
    shapes = " and ".join(shape(tensor) for tensor in scene.tensors[:2])
    said = f"shapes that broadcast, got {shapes or f'{match[1]} and {match[2]}'} (axis {match[3]}: {match[1]} against {match[2]})"
    return said, "a skip connection needs equal shapes: project or pad one side" if scene.operation in ("add", "sub") else ""


def joined(scene: Scene) -> Words | None:
    if scene.operation not in ("cat", "stack", "hstack", "vstack"):
        return None
    shapes = ", ".join(shape(tensor) for tensor in scene.tensors[:6])
    match = re.search(r"must match except in dimension (\d+). Expected size (\d+) but got size (\d+)", scene.message)
    if match:
        said = f"equal sizes in all axes but {match[1]}, got {shapes} ({match[2]} against {match[3]})"
        return said, "crop, pad or interpolate one of them to the other's size; odd sizes lose one position in every pooling"
    if "equal size" in scene.message:
        return f"tensors of one shape, got {shapes}", ""
    return (f"the same number of axes, got {shapes}", "") if "same number of dimensions" in scene.message else None


def reshaped(scene: Scene) -> Words | None:
    match = re.search(r"shape '\[([^\]]*)\]' is invalid for input of size (\d+)", scene.message)
    if match:
        sizes, count = [int(size) for size in match[1].split(",") if size.strip()], int(match[2])
        known = prod(size for size in sizes if size != -1)
        given = f" ({shape(scene.tensors[0])})" if scene.tensors else ""
        if -1 in sizes:
            features = count // scene.tensors[0].shape[0] if scene.tensors and scene.tensors[0].dim() > 1 else 0
            hint = (
                f"each sample has {features} numbers: `x = x.flatten(1)`, and a layer of that width after it" if features else ""
            )
            return f"a multiple of {known} elements, got {count}{given}", hint
        hint = "write -1 for the batch axis" if sizes and known and count % max(prod(sizes[1:]), 1) == 0 else ""
        return f"{known} elements for [{match[1]}], got {count}{given}", hint
    if "view size is not compatible" in scene.message:
        return "a tensor laid out in that order in memory", "use `.reshape(…)` instead of `.view(…)`"
    return None


def normalised(scene: Scene) -> Words | None:
    text = scene.message
    if "more than 1 value per channel" in text:
        return (
            "more than one value per channel, got a batch of one",
            "use a batch of at least 2 in training, or GroupNorm or LayerNorm",
        )
    match = re.search(r"running_mean should contain (\d+) elements not (\d+)", text)
    if match:
        return (
            f"{plural(int(match[2]), 'channel')} in axis 1, got {match[1]}",
            f"make it fit what reaches it: num_features={match[1]}",
        )
    match = re.search(r"normalized_shape=\[([^\]]*)\].*got input of size\s*\[([^\]]*)\]", text, re.DOTALL)
    if match:
        return f"last axes of size [{match[1]}], got [{match[2]}]", ""
    match = re.search(r"expected (\dD(?: or \dD)*) input \(got (\d)D input\)", text)
    if match:
        return f"{match[1]} input, got {match[2]}D", ""
    match = re.search(
        r"number of channels in input to be divisible by num_groups, but got input of shape \[([^\]]*)\] and num_groups=\s*(\d+)",
        text,
    )
    return (f"channels that {match[2]} groups divide, got [{match[1]}]", "") if match else None


def recurrent(scene: Scene) -> Words | None:
    match = re.search(r"input.size\(-1\) must be equal to input_size. Expected (\d+), got (\d+)", scene.message)
    if match:
        return (
            f"{plural(int(match[1]), 'feature')} in the last axis, got {match[2]}",
            f"input_size={match[2]}, or mend what comes before it",
        )
    match = re.search(r"Expected hidden\S* size \(([^)]*)\), got \[([^\]]*)\]", scene.message)
    if match:
        return (
            f"a hidden state of shape ({match[1]}), got ({match[2]})",
            "hidden states are (layers · directions, batch, features)",
        )
    match = re.search(r"(?:RNN|LSTM|GRU): Expected input to be (\S+ or \S+), got (\S+) instead", scene.message)
    return (f"{match[1]} input, got {match[2]}", "") if match else None


def attention(scene: Scene) -> Words | None:
    match = re.search(r"was expecting embedding dimension of (\d+), but got (\d+)", scene.message)
    return (f"{match[1]} features in the last axis, got {match[2]}", "") if match else None


def dimension(scene: Scene) -> Words | None:
    match = re.search(
        r"Dimension out of range \(expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)\)", scene.message
    )
    if not match:
        return None
    given = scene.tensors[0] if scene.tensors else None
    return f"an axis from {match[1]} to {match[2]}, got {match[3]}" + (
        f" on a tensor of {shape(given)}" if given is not None else ""
    ), ""


def unpacked(scene: Scene) -> Words | None:
    match = re.search(r"(not enough|too many) values to unpack \(expected (\d+)(?:, got (\d+))?\)", scene.message)
    if not match or scene.operation:
        return None
    said = f"{plural(int(match[2]), 'value')} to unpack, got {match[3] or 'more'}"
    if not scene.tensors or scene.tensors[0].dim() == int(match[2]):
        return said, ""
    given = scene.tensors[0]
    return f"{said}; the input has {plural(given.dim(), 'axis')} ({shape(given)})", "give the input with that many axes"


def truth(scene: Scene) -> Words | None:
    if "Boolean value of Tensor with more than one value" not in scene.message:
        return None
    return "one truth value, got a tensor of several", "say which: `.any()`, `.all()`, or `torch.where` for a choice per element"


def signature(scene: Scene) -> Words | None:
    if not isinstance(scene.error, TypeError) or scene.module is None:
        return None
    name = getattr(scene.module.forward, "__name__", "forward")
    if not re.search(rf"\b{re.escape(name)}\(\) (missing|takes|got)", scene.message):
        return None
    return forward_of(scene.module).shown(), "give it what its forward takes, no more and no less"


def missing_forward(scene: Scene) -> Words | None:
    if not isinstance(scene.error, NotImplementedError) or "forward" not in scene.message:
        return None
    kind = type(scene.module).__name__ if scene.module is not None else ""
    if kind in ("ModuleList", "ModuleDict"):
        return "a module that can be called", f"a {kind} only holds modules: call them one by one, or use nn.Sequential"
    return "a method named forward", "define `def forward(self, x)`; mind its spelling and its indentation"


def attribute(scene: Scene) -> Words | None:
    match = re.search(r"'(\w+)' object has no attribute '(\w+)'", scene.message)
    if not match or not isinstance(scene.error, AttributeError) or scene.module is None:
        return None
    if match[1] != type(scene.module).__name__:
        if match[1] in ("tuple", "list", "dict") or "Output" in match[1]:
            return f"a tensor, got a {match[1]}", "take the tensor out of it first, e.g. `out, hidden = self.rnn(x)`"
        return None
    known = [*scene.module._modules, *scene.module._parameters, *scene.module._buffers, *vars(scene.module)]
    near = difflib.get_close_matches(match[2], [name for name in known if not name.startswith("_")], n=1)
    return f"an attribute named {match[2]}", f"did you mean self.{near[0]}?" if near else "set it in __init__"


def wrong_type(scene: Scene) -> Words | None:
    match = re.search(r"argument '?(\w+)'? .*must be Tensor, not (\w+)", scene.message)
    if not match or not isinstance(scene.error, TypeError):
        return None
    if match[2] in ("tuple", "list", "dict") or "Output" in match[2]:
        return f"a tensor as {match[1]}, got a {match[2]}", "take the tensor out of it first, e.g. `out, hidden = self.rnn(x)`"
    return f"a tensor as {match[1]}, got {match[2]}", ""


def targets(scene: Scene) -> Words | None:
    match = re.search(r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)", scene.message)
    if not match:
        return None
    return f"as many targets as predictions, got {match[1]} predictions and {match[2]} targets", ""


def endless(scene: Scene) -> Words | None:
    if not isinstance(scene.error, RecursionError):
        return None
    return "a forward that ends", "it calls itself: call the layers, not `self(…)` or `self.forward(…)`"


def parameter_in_place(scene: Scene) -> Words | None:
    if "a leaf Variable that requires grad" not in scene.message:
        return None
    return (
        "parameters left as they are in forward",
        "work on a copy (`weight = self.weight * 2`), or change it under `torch.no_grad()`",
    )


SPEAKERS: tuple[Callable[[Scene], Words | None], ...] = (
    devices, dtypes, linear, convolution, small_map, embedding, joined, reshaped, normalised, recurrent, attention, broadcast,
    matmul, dimension, truth, signature, missing_forward, attribute, unpacked, wrong_type, targets, endless, parameter_in_place,
)  # fmt: skip
