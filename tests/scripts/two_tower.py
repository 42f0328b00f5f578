"""Retrieval with in-batch negatives: the labels are 0, 1, 2 ... in every batch."""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class TwoTower(nn.Module):
    def __init__(self, users=200, items=300, dim=16):
        super().__init__()
        self.user_tower = nn.Sequential(nn.Embedding(users, dim), nn.Linear(dim, dim))
        self.item_tower = nn.Sequential(nn.Embedding(items, dim), nn.Linear(dim, dim))

    def forward(self, users, items):
        u = F.normalize(self.user_tower(users), dim=-1)
        i = F.normalize(self.item_tower(items), dim=-1)
        return u @ i.T / 0.1


torch.manual_seed(0)
model = TwoTower()
liked = torch.randint(0, 300, (200,))
held = model.user_tower.parameters() if "--half" in sys.argv else model.parameters()
optimizer = torch.optim.Adam(held, lr=1e-2)
for step in range(60):
    users = torch.randperm(200)[:32]
    scores = model(users, liked[users])
    loss = F.cross_entropy(scores, torch.arange(32))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
