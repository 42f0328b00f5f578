"""All checks together on the facts of a 1,000-layer model: at most 50 ms.

python benchmarks/checks_speed.py
"""

from __future__ import annotations

import time

import msgspec
import torch
from torch import nn

import nnreport
from nnreport.checks.runner import run_checks
from nnreport.facts import Facts

LAYERS = 1000
ROUNDS = 7


def main() -> None:
    layers: list[nn.Module] = []
    for _ in range(LAYERS // 2):
        layers += [nn.Linear(16, 16), nn.ReLU()]
    report = nnreport.inspect(nn.Sequential(*layers, nn.Linear(16, 4)), torch.randn(16, 16), steps=3, budget=2)
    encoded = msgspec.json.encode(report.facts)
    seconds = []
    for _ in range(ROUNDS):
        facts = msgspec.json.decode(encoded, type=Facts)  # fresh, so that nothing is remembered
        start = time.process_time()
        _, outcomes = run_checks(facts)
        seconds.append(time.process_time() - start)
    least, median = min(seconds) * 1e3, sorted(seconds)[ROUNDS // 2] * 1e3
    print(f"{len(outcomes)} checks on {LAYERS} layers: least {least:.0f} ms, median {median:.0f} ms")
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]:
        print(f"  {outcome.check:<28} {outcome.seconds * 1e3:5.1f} ms")


if __name__ == "__main__":
    main()
