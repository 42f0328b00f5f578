"""Floating-point operations, counted as ATen runs them, forward and backward. 1 MAC is 2 FLOPs.

Only contractions are counted (matrix products, convolutions, attention, recurrent layers); element-wise operations, norms,
poolings and softmax are 0 by convention, as in ``torch.utils.flop_counter``. The fused CPU and cuDNN kernels (attention, LSTM)
have formulas of their own here, so they count the same as the plain ones do, and the convention for a fused backward is that of
the plain one: twice the forward, without what the kernel recomputes.

Operators that do much arithmetic and have no formula (FFT, linear algebra, custom kernels) are named in ``uncounted``; a total is
then a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Formula = Callable[[tuple[Any, ...], Any], int]
"""(arguments, result) -> FLOPs."""


def mm(args: tuple[Any, ...], out: Any) -> int:
    """(m, k) @ (k, n): 2 m k n."""
    (m, k), n = args[0].shape, args[1].shape[1]
    return 2 * m * k * n


def addmm(args: tuple[Any, ...], out: Any) -> int:
    return mm(args[1:], out)


def bmm(args: tuple[Any, ...], out: Any) -> int:
    """(b, m, k) @ (b, k, n): 2 b m k n."""
    (b, m, k), n = args[0].shape, args[1].shape[2]
    return 2 * b * m * k * n


def baddbmm(args: tuple[Any, ...], out: Any) -> int:
    return bmm(args[1:], out)


def mv(args: tuple[Any, ...], out: Any) -> int:
    return 2 * args[0].numel()


def addmv(args: tuple[Any, ...], out: Any) -> int:
    return 2 * args[1].numel()


def dot(args: tuple[Any, ...], out: Any) -> int:
    return 2 * args[0].numel()


def linear(args: tuple[Any, ...], out: Any) -> int:
    return 2 * args[0].numel() * args[1].shape[0]


def convolution_flops(small: Any, weight: Any, groups: int, transposed: bool, large: Any) -> int:
    """2 · batch · (positions at which the kernel is applied) · (weights used at each). The kernel is applied once per output
    position, of a transposed convolution once per input position; ``weight`` is (out, in/groups, …) or (in, out/groups, …)."""
    positions = prod((large if transposed else small)[2:])
    batch = small[0]
    return 2 * batch * positions * prod(weight)


def convolution(args: tuple[Any, ...], out: Any) -> int:
    return convolution_flops(out.shape, args[1].shape, args[8], bool(args[6]), args[0].shape)


def convolution_backward(args: tuple[Any, ...], out: Any) -> int:
    """As much as the forward for the input's gradient, and again for the weight's, where asked for."""
    gradient, given, weight, mask = args[0], args[1], args[2], args[10]
    once = convolution_flops(gradient.shape, weight.shape, args[9], bool(args[7]), given.shape)
    return once * (bool(mask[0]) + bool(mask[1]))


def attention_flops(query: Any, key: Any, value: Any) -> int:
    """QKᵀ and the product with V: 2 b h q k (e + v). A causal mask is not subtracted."""
    *heads, q, e = query
    return 2 * prod(heads) * q * key[-2] * (e + value[-1])


def attention(args: tuple[Any, ...], out: Any) -> int:
    return attention_flops(args[0].shape, args[1].shape, args[2].shape)


def attention_backward(args: tuple[Any, ...], out: Any) -> int:
    return 2 * attention_flops(args[1].shape, args[2].shape, args[3].shape)


def rnn_tokens(given: Tensor, batch_sizes: Any) -> int:
    """Steps times sequences; of a packed sequence the rows of its data."""
    return given.shape[0] if batch_sizes is not None and len(batch_sizes) else given.shape[0] * given.shape[1]


def mkldnn_rnn(args: tuple[Any, ...], out: Any) -> int:
    """One layer, one direction: every token meets the input and the recurrent matrix, (gates · h, i) and (gates · h, h)."""
    return 2 * args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel())


def mkldnn_rnn_backward(args: tuple[Any, ...], out: Any) -> int:
    return 2 * mkldnn_rnn(args, out)


def cudnn_rnn_flops(args: tuple[Any, ...], batch_sizes: Any) -> int:
    """All layers and directions in one call; the matrices among ``weights`` are two per layer and direction."""
    return 2 * rnn_tokens(args[0], batch_sizes) * sum(weight.numel() for weight in args[1] if weight.dim() == 2)


def cudnn_rnn(args: tuple[Any, ...], out: Any) -> int:
    return cudnn_rnn_flops(args, args[14])


def cudnn_rnn_backward(args: tuple[Any, ...], out: Any) -> int:
    return 2 * cudnn_rnn_flops(args, args[18])


def grouped_mm(args: tuple[Any, ...], out: Any) -> int:
    """Rows of one side belong to groups, each with a matrix of its own: every row still meets exactly one matrix. (t, k) @
    (g, k, n) and (g, m, k) @ (k, t) are 2 t k n and 2 m k t; (m, t) @ (t, n), a sum per group, is 2 m t n; with groups on both
    sides it is bmm."""
    first, second = args[0], args[1]
    return (
        2 * first.numel() * second.shape[-1] if first.dim() == 2 or second.dim() == 3 else 2 * first[0].numel() * second.shape[-1]
    )


def trilinear(args: tuple[Any, ...], out: Any) -> int:
    """``F.bilinear``: two products per element of the expanded (…, out, in1, in2) array, plus the sum."""
    sizes: list[int] = []
    for tensor, expand in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(expand):
            shape.insert(axis, 1)
        sizes = shape if not sizes else [max(a, b) for a, b in zip(sizes, shape, strict=True)]
    return 2 * prod(sizes)


FORMULAS: dict[str, Formula] = {
    "mm": mm, "addmm": addmm, "bmm": bmm, "baddbmm": baddbmm, "mv": mv, "addmv": addmv, "dot": dot, "vdot": dot, "_int_mm": mm,
    "addbmm": baddbmm, "_scaled_mm": mm, "linear": linear, "mkldnn_linear": linear, "_addmm_activation": addmm,
    "_trilinear": trilinear, "_grouped_mm": grouped_mm, "convolution": convolution, "_convolution": convolution,
    "convolution_backward": convolution_backward, "convolution_overrideable": convolution,
    "_scaled_dot_product_flash_attention": attention, "_scaled_dot_product_flash_attention_for_cpu": attention,
    "_scaled_dot_product_efficient_attention": attention, "_scaled_dot_product_cudnn_attention": attention,
    "_scaled_dot_product_fused_attention_overrideable": attention,
    "_scaled_dot_product_flash_attention_backward": attention_backward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": attention_backward,
    "_scaled_dot_product_efficient_attention_backward": attention_backward,
    "_scaled_dot_product_cudnn_attention_backward": attention_backward,
    "mkldnn_rnn_layer": mkldnn_rnn, "mkldnn_rnn_layer_backward": mkldnn_rnn_backward,
    "_cudnn_rnn": cudnn_rnn, "_cudnn_rnn_backward": cudnn_rnn_backward,
}  # fmt: skip

UNCOUNTED = (
    "_fft_", "linalg_", "_linalg_", "cholesky", "_sparse_mm", "sspaddmm", "_ctc_loss", "_flash_attention", "_efficient_attention",
    "_native_multi_head_attention", "_transformer_encoder_layer", "_lstm_mps", "lstm_mps", "miopen_rnn", "flex_attention",
    "_scaled_grouped_mm", "_weight_int", "triangular_solve", "_cdist_forward", "_cdist_backward", "_pdist_forward",
    "lu_unpack", "lu_solve", "ormqr", "geqrf",
)  # fmt: skip
"""Beginnings of operator names that do much arithmetic and have no formula."""
COMPLEX = 4
"""A complex MAC is 8 FLOPs where a real one is 2."""
KNOWN_NAMESPACES = ("aten", "prim", "prims", "profiler")


class FlopMode(TorchDispatchMode):
    """Counts the FLOPs of what runs inside it.

    Attributes:
        total: FLOPs so far.
        uncounted: operators met that have no formula -> times.
        owner: called in a backward with the FLOPs of each operator, to say whose they are.
    """

    def __init__(self, owner: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self.total = 0
        self.uncounted: dict[str, int] = {}
        self.missed = 0
        self.owner = owner
        self.formulas: dict[Any, Formula | str | None] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler (2 s) to keep it away from us

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        try:
            formula = self.formulas[func]
        except KeyError:
            formula = self.formulas[func] = find_formula(func)
        if formula is None:
            with torch._C.DisableTorchFunction():
                return func(*args, **kwargs)
        if formula == "decompose":
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        with torch._C.DisableTorchFunction():
            out = func(*args, **kwargs)
        if isinstance(formula, str):
            if formula != "decompose":
                self.uncounted[formula] = self.uncounted.get(formula, 0) + 1
                self.missed += 1
            return out
        self.count(formula, func, args, kwargs, out)
        return out

    def count(self, formula: Formula, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        try:
            if kwargs:
                names = [argument.name for argument in func._schema.arguments]
                args = tuple(args) + tuple(kwargs.get(name) for name in names[len(args) :])
            flops = int(formula(tuple(args), out))
            if any(isinstance(a, Tensor) and a.is_complex() for a in args[:3]):
                flops *= COMPLEX
        except Exception:  # an overload with other arguments: say that it was not counted
            name = func._overloadpacket.__name__
            self.uncounted[name] = self.uncounted.get(name, 0) + 1
            self.missed += 1
            return
        self.total += flops
        if self.owner is not None:
            self.owner(flops)


def find_formula(func: Any) -> Formula | str | None:
    """The formula of an operator; its name where it does much arithmetic and has none; ``decompose`` for a composite one (seen
    whole only in inference mode); None for one that counts 0."""
    packet = getattr(func, "_overloadpacket", None)
    name = getattr(packet, "__name__", None) or str(func)
    if name in FORMULAS:
        return FORMULAS[name]
    namespace = getattr(func, "namespace", "")
    if namespace not in KNOWN_NAMESPACES:
        return f"{namespace}::{name}" if namespace else name
    if name.startswith(UNCOUNTED) and not name.endswith("_check_errors"):
        return name
    try:
        if (
            func._can_decompose()
            if hasattr(func, "_can_decompose")
            else torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
        ):
            return "decompose"
    except Exception:
        return None
    return None
