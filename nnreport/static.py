"""``--no-exec``: the source alone is read, and nothing of the user's is imported or run."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from nnreport.errors import UsageError
from nnreport.facts import Facts, Location, Stage, Target
from nnreport.job import Job

UNREAD = ("load", "tree", "trace", "weights", "probe", "experiments", "profile")
"""Stages that need the model itself."""


def read_without_running(job: Job) -> tuple[Facts, list[Stage]]:
    """Facts from the AST of the target's file.

    Raises:
        UsageError: the target is not in a Python file, there is no such file, or it does not parse.
    """
    from nnreport.inspector.reading.source import read_file

    start = perf_counter()
    file, _, rest = job.target.partition(":")
    name = rest.partition("(")[0]
    path = Path(file)
    if path.suffix != ".py":
        raise UsageError(f"--no-exec reads a Python file, and {file!r} is none; write FILE.py or FILE.py:Class")
    if not path.is_file():
        raise UsageError(f"there is no file {file!r}")
    source = read_file(path)
    found = next((each for each in source.classes if each.name == name), None)
    if name and found is None and f"def {name}" not in source.text and f"{name} =" not in source.text:
        known = ", ".join(each.name for each in source.classes) or "none"
        raise UsageError(f"{file} defines no {name!r}; its classes are: {known}")
    target = Target(
        spec=job.target,
        name=name or path.stem,
        location=Location(path=source.path, line=found.line) if found else None,
    )
    note = "Only the source was read (--no-exec); the model was never built or run."
    facts = Facts(target=target, source=[source], notes=[note])
    stages = [Stage(name="source", state="ok", seconds=perf_counter() - start)]
    stages += [Stage(name=stage, state="skipped", error="--no-exec") for stage in UNREAD]
    return facts, stages
