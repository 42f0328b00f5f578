"""A full pipeline: gradient clipping, cosine schedule, early stopping, the best weights restored, a test at the end."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def loss_of(model, loader):
    model.eval()
    with torch.inference_mode():
        return sum(nn.functional.cross_entropy(model(a), b, reduction="sum").item() for a, b in loader) / len(loader.dataset)


def main():
    torch.manual_seed(0)
    x = torch.randn(900, 15)
    y = (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 1).long()
    parts = [TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 600), (600, 750), (750, 900))]
    train, val, test = (DataLoader(p, batch_size=64, shuffle=i == 0) for i, p in enumerate(parts))
    model = nn.Sequential(nn.Linear(15, 64), nn.LayerNorm(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    best, kept, patience = float("inf"), None, 3
    for epoch in range(12):
        model.train()
        for a, b in train:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(a), b, label_smoothing=0.05)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        now = loss_of(model, val)
        if now < best:
            best, kept, patience = now, copy.deepcopy(model.state_dict()), 3
        else:
            patience -= 1
            if not patience:
                break
    model.load_state_dict(kept)
    print(loss_of(model, test))


main()
