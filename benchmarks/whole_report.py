"""The whole HTML report of SimpleNet against the script that a reader would write himself, and against ``import torch`` alone.

    python benchmarks/whole_report.py [ROUNDS]

All three are run in turn, round after round, so that a busy machine slows them alike; ratios of the medians are printed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BARE = f"""
import sys
sys.path.insert(0, {str(ROOT / "sample_models")!r})
import torch
from simple_net import SimpleNet
torch.manual_seed(0)
model = SimpleNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x, y = torch.randn(16, 784), torch.randint(0, 10, (16,))
for step in range(30):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())
"""


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    target = str(ROOT / "sample_models" / "simple_net.py") + ":SimpleNet"
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "bare 30 Adam steps": [sys.executable, "-c", BARE],
            "nnreport": [sys.executable, "-m", "nnreport", target, "--input", "1,784", "-q"],
        }
        for command in commands.values():
            seconds(command, folder)  # warm caches and byte code
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(seconds(command, folder))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, value in median.items():
        print(f"{name:<20} {value:6.2f} s")
    print(f"report / bare script {median['nnreport'] / median['bare 30 Adam steps']:.2f}  (at most 1.0)")
    print(f"report / import      {median['nnreport'] / median['import torch']:.2f}  (towards 1.3)")


if __name__ == "__main__":
    main()
