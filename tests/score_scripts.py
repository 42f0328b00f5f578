"""Scores ``nnreport run`` on the labelled training scripts of ``tests/scripts``.

    python tests/score_scripts.py [--only NAME] [--verbose]

A case has ``expect``: groups of checks of which at least one must be found (empty: a healthy script), ``where``: the module that
the finding must name, one per group, ``allow``: checks that may be found too, ``steps``: the optimizer steps that are watched
(40; null: all). Notes count neither for nor against, but where they are expected.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import json
import os
import random
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from score_networks import Score, placed, summary

from nnreport.build import build_report
from nnreport.facts import Facts
from nnreport.finding import Finding
from nnreport.inspector.watching.script import run_script, status_of
from nnreport.inspector.watching.session import ScriptSession
from nnreport.job import ScriptJob
from nnreport.session import Collector

SCRIPTS = Path(__file__).resolve().parent / "scripts"
STEPS = 40


def cases() -> list[dict[str, Any]]:
    return json.loads((SCRIPTS / "cases.json").read_text())


@contextlib.contextmanager
def as_main_program():
    """What a script may leave behind is put back."""
    kept = sys.modules["__main__"], list(sys.argv), list(sys.path), os.getcwd()
    state, dtype = torch.random.get_rng_state(), torch.get_default_dtype()
    before = set(sys.modules)
    os.chdir(SCRIPTS)
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv[:], sys.path[:] = kept[0], kept[1], kept[2]
        os.chdir(kept[3])
        torch.random.set_rng_state(state)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(True)
        gc.collect()
        for name in set(sys.modules) - before:
            if str(SCRIPTS) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def watched(job: ScriptJob) -> tuple[Facts, list[Finding], str]:
    """What is known and found of a script that runs in this process, and what failed of nnreport's own."""
    collector = Collector()
    session = ScriptSession(job, collector)
    importlib.import_module("torch")
    with as_main_program(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.manual_seed(0)
        random.seed(0)
        session.imported = True
        session.torch_arrived()
        error = run_script(job)
        session.script_ended(error)
        session.status = status_of(error)
        session.finish()
    if collector.facts.run is not None:
        collector.facts.run.status = session.status
    report = build_report(collector.facts, collector.stages.values())
    trouble = [fault.traceback for fault in collector.faults]
    trouble += [f"{outcome.check}: {outcome.reason}" for outcome in report.outcomes if outcome.state == "failed"]
    trouble += [f"{s.name}: {s.error}" for s in collector.stages.values() if s.state == "failed" and not collector.facts.failures]
    return collector.facts, report.findings, "\n".join(trouble)


def score(case: dict[str, Any], verbose: bool = False) -> Score:
    """Runs one script and holds its findings against its labels."""
    start = perf_counter()
    steps = case.get("steps", STEPS)
    job = ScriptJob(
        script=case.get("script", f"{case['name']}.py"),
        arguments=case.get("args", []),
        steps=steps,
        stop=steps is not None,
        pictures=False,
        seed=0,
    )
    facts, findings, trouble = watched(job)
    result = Score(case["name"], not case["expect"], len(case["expect"]), trouble=trouble, seconds=perf_counter() - start)
    wanted = set(case.get("allow", []))
    places = case.get("where") or [None] * len(case["expect"])
    for group, place in zip(case["expect"], places, strict=True):
        wanted |= set(group)
        if not any(finding.check in group and placed(finding.module, place) for finding in findings):
            result.missed.append(group)
    for finding in findings:
        if verbose:
            print(
                f"    {finding.severity} {finding.check}@{finding.module}: {finding.message}",
                *finding.consequences,
                sep="\n      | ",
            )
        if finding.severity != "note":
            if finding.check in wanted:
                result.true += 1
            else:
                result.false.append(f"{finding.check}@{finding.module or ''}: {finding.message}")
    if facts.run is None and not facts.failures:
        result.trouble += "nothing was seen"
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    scores = []
    for case in cases():
        if options.only and case["name"] not in options.only:
            continue
        result = score(case, options.verbose)
        scores.append(result)
        print(
            f"{'ok  ' if result.good else 'FAIL'} {result.name:<24} {result.seconds:5.1f} s",
            *result.missed,
            *result.false,
            result.trouble,
            flush=True,
        )
    print(summary(scores))


if __name__ == "__main__":
    main()
