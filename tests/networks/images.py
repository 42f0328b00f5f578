"""Convolutional classifiers of small pictures."""
import torch
import torch.nn.functional as F
from torch import nn


class Squeeze(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down, self.up = nn.Linear(width, width // 4), nn.Linear(width // 4, width)

    def forward(self, x):
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class Block(nn.Module):
    def __init__(self, width, drop=0.2):
        super().__init__()
        self.drop = drop
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm2.weight)
        self.squeeze = Squeeze(width)

    def forward(self, x):
        h = self.squeeze(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True))))
        if self.training and self.drop:
            keep = (torch.rand(x.shape[0], 1, 1, 1, device=x.device) > self.drop).float()
            h = h * keep / (1 - self.drop)
        return F.relu(x + h)


class SqueezeNet(nn.Module):
    """Healthy: squeeze-and-excitation, zero-γ residual branches, stochastic depth."""

    def __init__(self, classes=6):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*[Block(16) for _ in range(4)])
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


class Auxiliary(SqueezeNet):
    """Healthy: a second head that only training calls."""

    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(16, 6)

    def forward(self, x):
        h = F.relu(self.norm(self.stem(x)))
        main = self.head(self.blocks(h).mean((2, 3)))
        return (main, self.aux(h.mean((2, 3)))) if self.training else main


def with_aux(output, target):
    if isinstance(output, tuple):
        return F.cross_entropy(output[0], target) + 0.3 * F.cross_entropy(output[1], target)
    return F.cross_entropy(output, target)


class Dense(nn.Module):
    """Healthy: every layer reads all earlier ones."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 8 * i, 8, 3, padding=1) for i in range(5))
        self.head = nn.Linear(43, 6)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.1)], 1)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Shrunk(nn.Module):
    """Sick: after the third pooling the map is 1 × 1, and 3 × 3 kernels read mostly padding."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6),
        )

    def forward(self, x):
        return self.net(x)


class WrongWidth(nn.Module):
    """Sick: the classifier was written for another size of picture."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(8 * 14 * 14, 32), nn.ReLU(), nn.Linear(32, 6))

    def forward(self, x):
        return self.classifier(self.features(x))


class Forgotten(SqueezeNet):
    """Sick: a projection is made and never used."""

    def __init__(self):
        super().__init__()
        self.project = nn.Conv2d(16, 16, 1)


class NeverOpen(nn.Module):
    """Sick: a bias of −20 closes the second layer for good."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(48, 64), nn.Linear(64, 64), nn.Linear(64, 6)
        nn.init.constant_(self.second.bias, -20.0)

    def forward(self, x):
        return self.out(F.relu(self.second(F.relu(self.first(x.flatten(1))))))


class Copies(nn.Module):
    """Sick: all hidden weights start equal, so all units stay copies."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(48, 64), nn.Linear(64, 6)
        nn.init.constant_(self.hidden.weight, 0.02)
        nn.init.constant_(self.out.weight, 0.02)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x.flatten(1))))


class PlainDeep(nn.Module):
    """Healthy: twelve ReLU layers at PyTorch's defaults do learn."""

    def __init__(self):
        super().__init__()
        layers = [nn.Flatten(), nn.Linear(48, 96), nn.ReLU()]
        for _ in range(6):
            layers += [nn.Linear(96, 96), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(96, 6))

    def forward(self, x):
        return self.net(x)


def shapes(size=16):
    g = torch.Generator().manual_seed(7)
    centres = torch.randn(6, 3, size, size, generator=g)
    for _ in range(6):
        y = torch.randint(0, 6, (32,), generator=g)
        yield centres[y] * 0.5 + torch.randn(32, 3, size, size, generator=g), y


def small():
    return shapes(4)
