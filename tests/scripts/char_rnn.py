"""A character language model with truncated back-propagation through time."""

import sys

import torch
from torch import nn

torch.manual_seed(0)
text = "the quick brown fox jumps over the lazy dog. " * 60
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])


class Model(nn.Module):
    def __init__(self, vocab, hidden=48):
        super().__init__()
        self.embed = nn.Embedding(vocab, 24)
        self.rnn = nn.GRU(24, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, tokens, state=None):
        out, state = self.rnn(self.embed(tokens), state)
        return self.head(out), state


model = Model(len(chars))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
streams = data[: len(data) // 8 * 8].view(8, -1)
history = []
for epoch in range(2):
    state = None
    for start in range(0, streams.shape[1] - 17, 16):
        chunk = streams[:, start : start + 17]
        logits, state = model(chunk[:, :-1], state)
        state = state.detach()
        loss = nn.functional.cross_entropy(logits.reshape(-1, len(chars)), chunk[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(loss if "--keep" in sys.argv else loss.item())
