"""A residual network for 32 × 32 pictures, with a data set of its own to train on.

    nnreport sample_models/small_resnet.py:SmallResNet --input 1,3,32,32 \
        --data sample_models/small_resnet.py:batches --loss cross_entropy --optimizer sgd:lr=0.1,momentum=0.9
"""

from collections.abc import Iterator

import torch
from torch import nn


class Residual(nn.Module):
    """Two 3 × 3 convolutions and a way around them."""

    def __init__(self, fan_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.around = nn.Identity()
        if stride != 1 or fan_in != width:
            self.around = nn.Sequential(nn.Conv2d(fan_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(h)) + self.around(x))


class SmallResNet(nn.Module):
    """Three stages of ``depth`` residual blocks."""

    def __init__(self, classes: int = 10, width: int = 16, depth: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        stages = []
        fan_in = width
        for stage in range(3):
            blocks = []
            for block in range(depth):
                blocks.append(Residual(fan_in, width << stage, stride=2 if stage and not block else 1))
                fan_in = width << stage
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(fan_in, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


def batches(size: int = 32) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Noisy pictures of ten patterns."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(10, 3, 32, 32, generator=generator)
    while True:
        labels = torch.randint(0, 10, (size,), generator=generator)
        yield 0.5 * patterns[labels] + torch.randn(size, 3, 32, 32, generator=generator), labels
