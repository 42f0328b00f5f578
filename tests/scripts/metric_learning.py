"""Triplets need P classes with K samples in each batch: a batch sampler of one's own, grouped by class."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class ClassBalanced:
    def __init__(self, labels, p, k, batches):
        self.by_class = {c: (labels == c).nonzero().flatten().tolist() for c in labels.unique().tolist()}
        self.p, self.k, self.batches = p, k, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            chosen = sorted(random.sample(list(self.by_class), self.p))
            yield [i for c in chosen for i in random.sample(self.by_class[c], self.k)]


torch.manual_seed(0)
random.seed(0)
labels = torch.arange(300) // 30
x = torch.randn(300, 12) + F.one_hot(labels, 12) * 2
loader = DataLoader(TensorDataset(x, labels), batch_sampler=ClassBalanced(labels, 4, 8, 50))
model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for a, b in loader:
    loss = F.cross_entropy(model(a), b)
    opt.zero_grad()
    loss.backward()
    opt.step()
