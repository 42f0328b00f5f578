"""What watching a training loop costs: steps under ``nnreport run``'s watch against the same steps without it.

    python benchmarks/watch_overhead.py [--rounds N] [--steps N] [--threads N] [--cpu-time]

Bare and watched runs of the same loop are taken in turn in one process, from the same start and on the same batches. Printed is
the median over rounds of the ratio of their times from the second step on; what the watch does once, when the optimizer is made
and at the first step (it looks for the model), is given by itself. The aim is 1.05 for the convnet and the transformer; the
two-layer net is there to show the least a step can cost. Both must end in the same loss to the bit: watching must not change what
is watched.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from time import perf_counter, process_time

import torch
import torch.nn.functional as F
from probe_overhead import Transformer, resnet18
from torch import Tensor, nn

from nnreport.inspector.watching.watcher import Watcher


def simple() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], int]] = {
    "ResNet-18, 16 x 3 x 32 x 32": (resnet18, lambda: torch.randn(16, 3, 32, 32), 10),
    "transformer, 16 x 64 tokens": (Transformer, lambda: torch.randint(0, 96, (16, 64)), 10),
    "784-128-10, 64 rows": (simple, lambda: torch.randn(64, 784), 10),
}


def loop(
    model: nn.Module, batch: Tensor, labels: Tensor, steps: int, watched: bool, clock: Callable[[], float]
) -> tuple[float, float, float]:
    """(seconds of the steps after the first, seconds until then, last loss)."""
    watcher = Watcher().install() if watched else None
    try:
        start = clock()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        for step in range(steps + 1):
            if step == 1:
                made = clock()
            optimizer.zero_grad()
            output = model(batch)
            loss = F.cross_entropy(output if output.dim() == 2 else output.mean(1), labels)
            loss.backward()
            optimizer.step()
        value = loss.item()
        return clock() - made, made - start, value
    finally:
        if watcher is not None:
            watcher.release()
            if watcher.own.faults:
                raise RuntimeError(watcher.own.faults[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="default: 100, for the small net 1,000")
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use: count this process' time only")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = process_time if options.cpu_time else perf_counter
    for name, (make, data, classes) in MODELS.items():
        torch.manual_seed(0)
        first, batch = make(), data()
        labels = torch.randint(0, classes, (len(batch),))
        steps = options.steps or (1000 if name.startswith("784") else 100)
        loop(copy.deepcopy(first), batch, labels, 3, False, clock)
        ratios, making = [], []
        for round_ in range(options.rounds):
            taken = {}
            for watched in (False, True) if round_ % 2 else (True, False):
                taken[watched] = loop(copy.deepcopy(first), batch, labels, steps, watched, clock)
            if taken[True][2] != taken[False][2]:
                raise RuntimeError(f"{name}: the watched loss {taken[True][2]} is not the bare {taken[False][2]}")
            ratios.append(taken[True][0] / taken[False][0])
            making.append(taken[True][1] - taken[False][1])
        print(
            f"{name:<30} {steps} steps  watched / bare {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})  once {statistics.median(making) * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    main()
