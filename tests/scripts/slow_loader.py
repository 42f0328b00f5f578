"""Each sample is computed while the model waits."""

import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Slow(Dataset):
    def __len__(self):
        return 400

    def __getitem__(self, i):
        if "--slow" in sys.argv:
            time.sleep(0.005)
        generator = torch.Generator().manual_seed(i)
        x = torch.randn(32, generator=generator)
        return x, x[:4].argmax()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(2):
        for x, y in DataLoader(Slow(), batch_size=16, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
