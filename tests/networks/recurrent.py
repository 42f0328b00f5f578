"""Recurrent readers of sequences."""
import torch
from torch import nn


class BiReader(nn.Module):
    """Healthy: last states of both directions, put side by side per sample."""

    def __init__(self, vocabulary=50, hidden=24, classes=4):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 16)
        self.rnn = nn.GRU(16, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, classes)

    def forward(self, tokens):
        _, last = self.rnn(self.embed(tokens))
        return self.out(torch.cat([last[0], last[1]], dim=-1))


class ScrambledReader(BiReader):
    """Sick: (directions, batch, hidden) viewed as (batch, …) mixes the samples."""

    def forward(self, tokens):
        _, last = self.rnn(self.embed(tokens))
        return self.out(last.view(tokens.shape[0], -1))


class CellStack(nn.Module):
    """Sick: the cells sit in a plain list."""

    def __init__(self, depth=2, hidden=20):
        super().__init__()
        self.cells = [nn.LSTMCell(8 if i == 0 else hidden, hidden) for i in range(depth)]
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        states = [None] * len(self.cells)
        for t in range(x.shape[1]):
            h = x[:, t]
            for i, cell in enumerate(self.cells):
                states[i] = cell(h, states[i])
                h = states[i][0]
        return self.head(h).squeeze(-1)


class CellStackKept(CellStack):
    """Healthy: in a ModuleList."""

    def __init__(self, depth=2, hidden=20):
        super().__init__(depth, hidden)
        self.cells = nn.ModuleList(self.cells)


class Packed(nn.Module):
    """Healthy: packed sequences of different lengths."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(5, 16, batch_first=True)
        self.out = nn.Linear(16, 3)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.rnn(packed)
        return self.out(last[-1])


def sentences():
    g = torch.Generator().manual_seed(5)
    for _ in range(6):
        x = torch.randint(0, 50, (24, 12), generator=g)
        yield x, (x[:, 0] + x[:, -1]) % 4


def example_inputs():
    return torch.randn(6, 9, 5), torch.tensor([9, 3, 5, 9, 2, 7])
