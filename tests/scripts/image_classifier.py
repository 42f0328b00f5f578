"""A small CNN on made-up digits, with an evaluation after every epoch."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--bug", default="")
args = parser.parse_args()


class Stripes(Dataset):
    """Ten classes: one bright row each."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 10, (count,), generator=generator)
        if args.bug == "sorted" and seed == 0:
            self.labels = self.labels.sort().values
        self.images = 0.3 * torch.randn(count, 1, 12, 12, generator=generator)
        for i, label in enumerate(self.labels):
            self.images[i, 0, label + 1] += 1.5

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(8 * 36, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.fc(self.drop(x.flatten(1)))


def train(model, loader, optimizer):
    if args.bug != "never_train_again":
        model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


def evaluate(model, loader):
    if args.bug != "no_eval":
        model.eval()
    total = correct = 0
    with torch.set_grad_enabled(args.bug == "graph"):
        for images, labels in loader:
            output = model(images)
            total += F.cross_entropy(output, labels, reduction="sum").item()
            correct += (output.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def main():
    torch.manual_seed(0)
    shuffle = args.bug != "sorted"
    training = DataLoader(Stripes(320, 0), batch_size=32, shuffle=shuffle)
    validation = DataLoader(Stripes(100, 1), batch_size=50)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(4):
        train(model, training, optimizer)
        print(epoch, *evaluate(model, validation))


if __name__ == "__main__":
    main()
