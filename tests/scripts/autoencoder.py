"""Encoder and decoder as two modules; the decoder may be forgotten."""

import itertools
import sys

import torch
from torch import nn

torch.manual_seed(3)
basis = torch.randn(4, 30)
encoder = nn.Sequential(nn.Linear(30, 16), nn.GELU(), nn.Linear(16, 4))
decoder = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 30))
if "--forget" in sys.argv:
    opt = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
else:
    opt = torch.optim.AdamW(itertools.chain(encoder.parameters(), decoder.parameters()), lr=3e-3)

for step in range(60):
    x = torch.randn(64, 4) @ basis / 2
    loss = nn.functional.mse_loss(decoder(encoder(x)), x)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
