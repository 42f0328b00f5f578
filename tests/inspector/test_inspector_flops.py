"""FLOPs against hand counts and against torch's own counter on plain kernels."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tracing import traced

from nnreport.inspector.tracing.flops import FlopMode


def forward_backward(model: nn.Module, *args: torch.Tensor) -> tuple[int, int]:
    found, _ = traced(model, *args)
    assert not found.graph.uncounted
    return found.graph.flops, found.graph.flops_backward


def reference(model: nn.Module, *args: torch.Tensor) -> tuple[int, int]:
    """Counted by torch on the plain kernels, which it knows all formulas of."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
        with FlopCounterMode(display=False) as forward:
            out = model(*args)
        out = out[0] if isinstance(out, tuple) else out
        with FlopCounterMode(display=False) as backward:
            out.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


def test_linear():
    assert forward_backward(nn.Linear(5, 7), torch.randn(3, 5)) == (2 * 3 * 5 * 7, 2 * 3 * 5 * 7)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 8, 8)),
        (nn.ConvTranspose2d(4, 6, 4, stride=2), (2, 4, 5, 5)),
        (nn.Conv1d(3, 5, 7, dilation=2), (2, 3, 40)),
        (nn.Conv3d(1, 2, 3), (1, 1, 5, 6, 7)),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)), (2, 3, 8, 8)),
    ],
)
def test_convolutions_as_torch_counts_them(layer, shape):
    layer.eval()
    assert forward_backward(layer, torch.randn(shape)) == reference(layer, torch.randn(shape))


def test_grouped_convolution_by_hand():
    """torch's own counter counts the weight's gradient of a grouped convolution ``groups`` times over."""
    once = 2 * 2 * (8 * 4 * 4) * (2 * 3 * 3)  # 2 · batch · outputs · weights that each output meets
    assert forward_backward(nn.Conv2d(4, 8, 3, stride=2, groups=2), torch.randn(2, 4, 9, 9)) == (once, once)


def test_lstm_on_the_cpu():
    steps, batch, width, hidden = 5, 2, 8, 4
    model = nn.LSTM(width, hidden, num_layers=2, bidirectional=True)
    first = 2 * 4 * hidden * (width + hidden)
    second = 2 * 4 * hidden * (2 * hidden + hidden)
    forward, backward = forward_backward(model, torch.randn(steps, batch, width))
    assert forward == 2 * steps * batch * (first + second)
    assert backward == 2 * forward


def test_gru_counts_every_step():
    steps, batch, width, hidden = 5, 2, 8, 4
    forward, _ = forward_backward(nn.GRU(width, hidden), torch.randn(steps, batch, width))
    assert forward == 2 * steps * batch * 3 * hidden * (width + hidden)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v)


def test_fused_attention_counts_as_the_written_out_one():
    x = torch.randn(2, 10, 16)
    forward, backward = forward_backward(Attention(), x)
    assert (forward, backward) == reference(Attention(), x)
    assert forward == 2 * 2 * 10 * 16 * 48 + 2 * 2 * 2 * (2 * 10 * 10 * 8)


def test_tiny_bert_by_hand():
    from transformers import BertConfig, BertModel

    tokens, width, inner, layers = 12, 32, 64, 2
    config = BertConfig(
        vocab_size=50, hidden_size=width, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=inner
    )
    found, _ = traced(BertModel(config, add_pooling_layer=False), torch.randint(0, 50, (1, tokens)))
    layer = 4 * 2 * tokens * width * width + 2 * 2 * tokens * width * inner + 2 * 2 * tokens * tokens * width
    assert found.graph.flops == layers * layer
    assert found.graph.flops_backward == 2 * layers * layer


def test_tiny_gpt2_by_hand():
    from transformers import GPT2Config, GPT2LMHeadModel

    tokens, width, vocabulary = 12, 32, 50
    config = GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=2, n_head=4)
    found, tree = traced(GPT2LMHeadModel(config), torch.randint(0, vocabulary, (1, tokens)))
    layer = 2 * tokens * (3 * width**2 + width**2 + 8 * width**2) + 2 * 2 * tokens * tokens * width
    assert found.graph.flops == 2 * layer + 2 * tokens * width * vocabulary
    block = 3 * width**2 + 3 * width + width**2 + width + 8 * width**2 + 5 * width + 4 * width
    assert tree.total == vocabulary * width + 1024 * width + 2 * block + 2 * width


def test_calls_hold_their_childrens_flops():
    found, _ = traced(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(3, 4))
    flops = {call.module: (call.flops, call.flops_backward) for call in found.graph.calls}
    assert flops == {"": (288, 384), "0": (192, 192), "1": (0, 0), "2": (96, 192)}
    assert [each.flops for each in found.graph.nodes if each.kind == "op"] == [192, 0, 96]


def test_uncounted_operations_are_named():
    class Fourier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(self.fc(x)).abs().detach() + self.fc(x)

    found, _ = traced(Fourier(), torch.randn(2, 8))
    assert found.graph.uncounted == ["_fft_r2c"]
    assert [each.name for each in found.graph.nodes if each.uncounted] == ["fft_fft"]


def test_inference_mode_counts_what_it_sees_whole():
    with torch.inference_mode(), FlopMode() as count:
        F.linear(torch.randn(2, 3), torch.randn(4, 3))
        torch.randn(2, 3) @ torch.randn(3, 5)
    assert count.total == 2 * 2 * 3 * 4 + 2 * 2 * 3 * 5


def test_complex_products_cost_four_times():
    with FlopMode() as count:
        torch.randn(2, 3, dtype=torch.complex64) @ torch.randn(3, 5, dtype=torch.complex64)
    assert count.total == 4 * 2 * 2 * 3 * 5
