"""The nearest packages on PyPI and nnreport over the labelled networks of ``tests/networks/cases.json``.

    python -m venv nb && nb/bin/pip install -e . torchmortem torch-audit torchdiag mldoct
    nb/bin/python benchmarks/neighbours.py [--every N] [--write]

Every tool gets the model, batch, loss and optimizer that nnreport's own loaders make, and 30 steps on that one batch, in train
mode; it is called as its README shows (``neighbour_tools.py``). The counting leans towards the others:

* A fault is named where any finding of theirs, loud or not, may mean it by the generous list ``MEANS``, anywhere in the network;
  nnreport must name it in the right place, and every fault of a network with two.
* Loud are warnings and worse; torch-audit's hints on speed (TA200, TA201, TA203) are left out. mldoct reads the whole file.
* An own crash is an exception where the bare loop has none, a failure inside that the tool reports, or torchdiag giving up on an
  output that is no tensor (which it prints as a failed forward pass).
* A traceback that the bare loop gives as well counts for no tool, unless the tool catches and names it.
* Seconds hold the 30 steps and the verdict; for nnreport also the loading, tracing, experiments and profile.

The networks were written along with nnreport's checks, so its own row says that it keeps its promises, not how it
does on networks that others wrote. torchmortem's crashes come of its backward hooks on in-place ReLUs.
A healthy label is nnreport's own judgement: torch-audit's TA400 (a bias before a norm) is true where it is found, but harmless.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from neighbour_tools import MEANS, TOOLS, Bench, Hit, bare  # noqa: E402
from score_networks import NETWORKS, cases, score  # noqa: E402

from nnreport.cli.report import command, job_of  # noqa: E402
from nnreport.inspector.clone import clone  # noqa: E402
from nnreport.inspector.pipeline import Pipeline  # noqa: E402


def prepare(case: dict[str, Any]) -> Bench:
    """Raises what the constructor raises."""
    pipeline = Pipeline(job_of(command.make_context("nnreport", list(case["args"])).params), lambda event: None)
    pipeline.load()
    pipeline.read_source()
    pipeline.find_inputs()
    task = pipeline.prepare_task()
    model = clone(pipeline.model)
    model.train(task.mode == "train")
    batch = task.data.first
    torch.manual_seed(0)
    return Bench(model, task, batch, task.new_optimizer(model), NETWORKS / case["args"][0].partition(":")[0])


@dataclass
class Row:
    """The counts of one tool."""

    package: str
    loud: int = 0
    named: int = 0
    seconds: list[float] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    def cells(self, sick: int, healthy: int) -> list[str]:
        counts = [
            f"{self.loud} of {sick}",
            f"{self.named} of {sick}",
            f"{len(self.alarms)} of {healthy}",
            str(len(self.crashed)) if self.package != "torch" else "–",
        ]
        return [*counts, f"{median(self.seconds):.2f}" if self.seconds else "–"]


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def judge(case: dict[str, Any], tool: Callable[[Bench], list[Hit]]) -> tuple[list[Hit], float, str]:
    """A tool's findings on a case, its seconds, and what was raised past it."""
    before, here = set(sys.modules), os.getcwd()
    os.chdir(NETWORKS)
    start = perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bench = prepare(case)
            start = perf_counter()
            hits = tool(bench)
        return hits, perf_counter() - start, "raised" if ("raised", False) in hits else ""
    except Exception as error:
        return [], perf_counter() - start, f"{type(error).__name__}: {error}"
    finally:
        os.chdir(here)
        for name in set(sys.modules) - before:
            if str(NETWORKS) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def compare(chosen: list[dict[str, Any]]) -> dict[str, Row]:
    rows = {name: Row(package) for name, (package, _) in TOOLS.items() if version(package)} | {"nnreport": Row("nnreport")}
    judge(chosen[0], bare)  # the first one loads torch's parts
    for case in chosen:
        expected = {check for group in case["expect"] for check in group}
        raises = ""
        for name, row in rows.items():
            if name == "nnreport":
                result = score({**case, "args": list(case["args"])})
                loud, named = bool(result.true or result.false), not result.missed
                crash, seconds, shown = bool(result.trouble), result.seconds, "; ".join(result.false)
            else:
                hits, seconds, raised = judge(case, TOOLS[name][1])
                raises = raised if name == "bare loop" else raises
                loud = any(each for _, each in hits)
                named = any(expected & set(MEANS.get(rule, "").split()) for rule, _ in hits)
                crash = ("crash", False) in hits or bool(raised and not raises)
                shown = ", ".join(sorted({f"{rule}{'' if each else ' (quiet)'}" for rule, each in hits})) + f" {raised}"
                crash = crash and name != "bare loop"
            row.loud += bool(expected) and loud
            row.named += bool(expected) and named
            row.alarms += (
                [f"{case['name']} ({shown.partition(':')[0].replace('crash (quiet), ', '').strip()})"]
                if loud and not expected
                else []
            )
            row.crashed += [case["name"]] if crash or (raises and name == "bare loop") else []
            row.seconds.append(seconds)
            marks = f"{'loud' if loud else ''} {'named' if expected and named else ''} {'CRASH' if crash else ''}"
            print(f"{case['name']:<18} {name:<24} {seconds:6.2f} s {marks} | {shown[:150]}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only each N-th case")
    parser.add_argument("--write", action="store_true", help="write neighbours.md")
    options = parser.parse_args()
    chosen = cases()[:: options.every]
    rows = compare(chosen)
    sick = sum(bool(case["expect"]) for case in chosen)
    head = ["tool", "version", "sick: any loud finding", "sick: fault named", "healthy: false alarm", "own crashes", "median s"]
    table = [head, ["---"] * len(head)]
    table += [[name, version(row.package), *row.cells(sick, len(chosen) - sick)] for name, row in rows.items()]
    table += [[name, "not installed", *["–"] * 5] for name in TOOLS if name not in rows]
    what = "all" if options.every == 1 else f"every {options.every}th case:"
    text = f"{datetime.date.today()}, {what} {len(chosen)} labelled networks ({sick} sick, {len(chosen) - sick} healthy), "
    text += f"Python {sys.version.split()[0]}, torch {torch.__version__}, CPU, {torch.get_num_threads()} thread(s).\n\n"
    text += "\n".join("| " + " | ".join(line) + " |" for line in table) + "\n"
    for name, row in rows.items():
        what = "raises by itself" if name == "bare loop" else "own crashes"
        text += f"\n* {name}: false alarms: {', '.join(row.alarms) or 'none'}; {what}: {', '.join(row.crashed) or 'none'}."
    text += "\n"
    print(text)
    if options.write:
        notes = (__doc__ or "").partition("Every tool")
        (ROOT / "benchmarks" / "neighbours.md").write_text(f"# Neighbours\n\n{text}\n{notes[1]}{notes[2]}")


if __name__ == "__main__":
    main()
