"""What the probe's watching costs: its steps against the bare steps that a reader would write himself.

    python benchmarks/probe_overhead.py [--rounds N] [--threads N] [--cpu-time]

For a ResNet-18-sized convnet and a small transformer, 30 bare steps and 30 probe steps are taken in turn, one of each, in one
process, from the same start and on the same batch; printed is their ratio, the median over rounds. The aim is 1.05.
Both sides end in the same loss, which is checked: watching must not change what is watched.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnreport.facts import DataInfo, Probe
from nnreport.inspector.feeding.batches import Batch
from nnreport.inspector.training.observe import observed_steps
from nnreport.inspector.training.probe import Run
from nnreport.inspector.training.task import Task, make_task
from nnreport.job import Job

STEPS = 30


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride > 1 or inside != width:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


def resnet18() -> nn.Module:
    """11.2 million parameters, for small images."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    inside = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inside, width, stride), Block(width, width, 1)]
        inside = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Four layers of width 128 over 64 characters: 0.8 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(96, 128), nn.Embedding(64, 128)
        self.layers = nn.ModuleList(Layer(128, 4) for _ in range(4))
        self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 96)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tokens(x) + self.places.weight[: x.shape[1]]
        for layer in self.layers:
            y = layer(y)
        return self.head(self.norm(y))


@dataclass
class OneBatch:
    """Data of a single batch, as the task wants it."""

    first: Batch
    user: bool = True
    failure: None = None
    info: DataInfo = field(default_factory=DataInfo)

    def fresh(self, i: int) -> Batch:
        return self.first


class Bare:
    """The steps that a reader would write."""

    def __init__(self, model: nn.Module, batch: Batch) -> None:
        self.model, self.batch = copy.deepcopy(model), batch
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.last = batch.target.dim() > 1

    def step(self) -> float:
        self.optimizer.zero_grad()
        output = self.model(*self.batch.args)
        loss = F.cross_entropy(output.movedim(-1, 1) if self.last else output, self.batch.target)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Probed:
    """The probe's own steps."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        self.run: Any = Run(model, task, Probe(steps=STEPS), None, None)
        self.optimizer = task.new_optimizer(self.run.copy)
        self.seen = set(observed_steps(STEPS))

    def step(self) -> float:
        done = self.run.probe.done
        value: float = self.run.step(self.optimizer, done in self.seen)
        self.run.probe.done = done + 1
        return value


def timed(step: Callable[[], float], clock: Callable[[], float]) -> tuple[float, float]:
    start = clock()
    value = step()
    return clock() - start, value


def compare(name: str, model: nn.Module, batch: Batch, rounds: int, clock: Callable[[], float]) -> None:
    """Prints one line."""
    task = make_task(model, OneBatch(batch), Job(target="", loss="cross_entropy"), None, "cpu")  # type: ignore[arg-type]
    model.train()
    ratios, plain = [], []
    for turn in range(rounds + 1):
        bare, probed = Bare(model, batch), Probed(model, task)
        pairs = []
        for _ in range(STEPS):
            (one, loss), (other, same) = timed(bare.step, clock), timed(probed.step, clock)
            assert abs(loss - same) <= 1e-5 * max(1.0, abs(loss)), f"{name}: the probe's loss {same} is not the bare one {loss}"
            pairs.append((one, other))
        if turn:  # the first round warms up
            ratios.append(sum(other for _, other in pairs) / sum(one for one, _ in pairs))
            plain += [one for one, _ in pairs]
    step = statistics.median(plain) * 1e3
    print(f"{name:26s} bare step {step:7.2f} ms   probe/bare: median {statistics.median(ratios):.3f}, least {min(ratios):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use: count this process' time only")
    options = parser.parse_args()
    clock = process_time if options.cpu_time else perf_counter
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tokens = torch.randint(0, 96, (16, 64))
    compare("transformer 4 x 128", Transformer(), Batch((tokens,), {}, tokens.roll(-1, 1)), options.rounds, clock)
    images = Batch((torch.randn(16, 3, 32, 32),), {}, torch.randint(0, 10, (16,)))
    compare("ResNet-18, 32 x 32 images", resnet18(), images, options.rounds, clock)


if __name__ == "__main__":
    main()
