"""Transfer learning: a backbone, frozen or not, and a new head."""

import argparse
from collections import OrderedDict

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--mode", choices=["frozen", "late_head", "all", "head_only", "partial_eval"], default="frozen")
args = parser.parse_args()
torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(3, 8, 3, stride=2),
                bn1=nn.BatchNorm2d(8),
                act1=nn.ReLU(),
                conv2=nn.Conv2d(8, 16, 3, stride=2),
                act2=nn.ReLU(),
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
            )
        )
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        return self.fc(self.features(x))


model = Classifier(1000)  # "pretrained"
if args.mode == "frozen":
    for p in model.parameters():
        p.requires_grad = False
if args.mode == "late_head":
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    model.fc = nn.Linear(16, 5)
else:
    model.fc = nn.Linear(16, 5)
    trained = model.fc.parameters() if args.mode in ("frozen", "head_only") else model.parameters()
    optimizer = torch.optim.SGD(trained, lr=0.02, momentum=0.9)

labels = torch.arange(40) % 5
images = torch.randn(40, 3, 24, 24) + labels[:, None, None, None] / 2
for epoch in range(8):
    model.train()
    if args.mode == "partial_eval":
        model.features.bn1.eval()
    for chunk in torch.randperm(40).split(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[chunk]), labels[chunk])
        loss.backward()
        optimizer.step()
