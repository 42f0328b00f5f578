"""A line for every finding: its own, else the nearest that says something about it."""

from __future__ import annotations

from pathlib import PurePosixPath

from nnreport.facts import Facts, Location
from nnreport.finding import Finding
from nnreport.render.repository import in_repository


def place_of(finding: Finding, facts: Facts) -> Location | None:
    """Where a finding stands in the user's files.

    Its own line; else the line that calls its module; else the class of the module or of the one around it; else the target's
    class; else the first line of the target's file. None where the target is no file of the user's.
    """
    if in_repository(finding.location) and finding.location and finding.location.line > 0:
        return finding.location
    candidates = [*around(finding.module, facts), facts.target.location, file_of(facts.target.spec)]
    return next((each for each in candidates if in_repository(each) and each and each.line > 0), None)


def around(module: str | None, facts: Facts) -> list[Location | None]:
    """Lines of a module, the nearest first."""
    if module is None:
        return []
    calls = [call.location for call in facts.graph.calls if call.module == module] if facts.graph else []
    classes = {each.path: each.location for each in facts.tree.modules} if facts.tree else {}
    path, found = module, [classes.get(module)]
    while path:
        path = path.rpartition(".")[0]
        found.append(classes.get(path))
    return [*calls[:1], *found]


def file_of(spec: str) -> Location | None:
    """The first line of the file that TARGET names."""
    path = spec.partition(":")[0]
    known = PurePosixPath(path.replace("\\", "/")).suffix in (".py", ".pt", ".pth", ".pt2", ".bin", ".safetensors")
    return Location(path=path.removeprefix("./"), line=1) if known else None
