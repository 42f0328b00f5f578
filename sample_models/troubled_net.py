"""A network with three mistakes that do not stop it from running. Can you find them before nnreport does?

nnreport sample_models/troubled_net.py:TroubledNet --input 16,1,28,28 --loss cross_entropy
"""

import torch
from torch import nn


class TroubledNet(nn.Module):
    """A convolutional classifier of 28 × 28 digits."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = [
            nn.Conv2d(1, 8, 3, padding=1),
            nn.Conv2d(8, 16, 3, padding=1),
        ]
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(16 * 7 * 7, 64)
        self.output = nn.Linear(64, 10)
        nn.init.constant_(self.hidden.bias, -10.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            x = self.pool(torch.relu(convolution(x)))
        x = torch.relu(self.hidden(x.flatten(1)))
        return torch.softmax(self.output(x), dim=1)
