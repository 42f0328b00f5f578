"""Shapes of network that are newer than the textbooks."""
import torch
import torch.nn.functional as F
from torch import nn


class MixerBlock(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 32), nn.GELU(), nn.Linear(32, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Healthy: MLP-Mixer, a strided convolution as patch embedding."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 4, stride=4)
        self.blocks = nn.Sequential(*[MixerBlock(16, 32) for _ in range(4)])
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 6)

    def forward(self, x):
        h = self.blocks(self.patch(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(h).mean(1))


class Shared(nn.Module):
    """Healthy: one transformer layer applied six times, as in ALBERT."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(60, 32)
        self.position = nn.Parameter(torch.zeros(1, 20, 32))
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, 5)

    def forward(self, tokens):
        h = self.embed(tokens) + self.position[:, : tokens.shape[1]]
        for _ in range(6):
            h = self.layer(h)
        return self.head(h[:, 0])


class Graph(nn.Module):
    """Healthy: nodes of one graph, the leading axis is no batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(7, 16), nn.Linear(16, 3)

    def forward(self, nodes, adjacency):
        a = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
        return self.second(a @ F.relu(self.first(a @ nodes)))


class Hyper(nn.Module):
    """Healthy: the weights of one layer are made by another, and read functionally."""

    def __init__(self):
        super().__init__()
        self.maker = nn.Linear(4, 6 * 8)
        self.code = nn.Parameter(torch.randn(4))
        self.shared = nn.Linear(8, 8)

    def forward(self, x):
        h = torch.tanh(F.linear(x, self.shared.weight, self.shared.bias))
        return F.linear(h, self.maker(self.code).view(6, 8))


class Rmsed(nn.Module):
    """Healthy: gated feed-forward blocks with RMS norm and a tied head."""

    def __init__(self, vocabulary=40, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.gate = nn.ModuleList(nn.Linear(width, 64, bias=False) for _ in range(3))
        self.up = nn.ModuleList(nn.Linear(width, 64, bias=False) for _ in range(3))
        self.down = nn.ModuleList(nn.Linear(64, width, bias=False) for _ in range(3))
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(4))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        h = self.embed(tokens)
        for norm, gate, up, down in zip(self.norms, self.gate, self.up, self.down):
            z = norm(h)
            h = h + down(F.silu(gate(z)) * up(z))
        return self.head(self.norms[-1](h))


class Sets(nn.Module):
    """Healthy: a function of sets, summed over the members of each."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 32), nn.ELU(), nn.Linear(32, 32), nn.ELU())
        self.outer = nn.Sequential(nn.Linear(32, 32), nn.ELU(), nn.Linear(32, 1))

    def forward(self, members):
        return self.outer(self.inner(members).mean(1)).squeeze(-1)


class Dilated(nn.Module):
    """Healthy: causal dilated convolutions with weight norm."""

    def __init__(self):
        super().__init__()
        weight_norm = torch.nn.utils.parametrizations.weight_norm
        self.layers = nn.ModuleList(weight_norm(nn.Conv1d(4 if i == 0 else 16, 16, 2, dilation=2**i)) for i in range(4))
        self.out = nn.Conv1d(16, 1, 1)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = F.relu(layer(F.pad(x, (2**i, 0))))
        return self.out(x)[:, 0, -1]


class Euler(nn.Module):
    """Healthy: a vector field integrated in ten steps."""

    def __init__(self):
        super().__init__()
        self.field = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 5))
        self.read = nn.Linear(5, 2)

    def forward(self, x):
        for _ in range(10):
            x = x + 0.1 * self.field(x)
        return self.read(x)


class MeanShift(nn.Module):
    """Sick: the mean over the batch is taken off in evaluation too, so each answer hangs on its neighbours."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 32), nn.Linear(32, 2)

    def forward(self, x):
        h = torch.relu(self.a(x))
        return self.b(h - h.mean(0))
