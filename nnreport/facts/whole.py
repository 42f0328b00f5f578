"""Everything that is known, together."""

from __future__ import annotations

from typing import Literal

import msgspec

from nnreport.facts.base import Failure, Record
from nnreport.facts.breaks import Break
from nnreport.facts.experiments import Experiments
from nnreport.facts.graph import Graph, Reach
from nnreport.facts.pictures import Pictures
from nnreport.facts.probe import Probe
from nnreport.facts.profile import Profile
from nnreport.facts.run import Run
from nnreport.facts.source import SourceFile
from nnreport.facts.target import Environment, Target
from nnreport.facts.tree import Tree
from nnreport.facts.weights import Weights


class Stage(Record, omit_defaults=False):
    """One stage of the inspection."""

    name: str
    state: Literal["ok", "failed", "skipped", "running", "timeout", "killed"] = "ok"
    seconds: float = 0.0
    error: str = ""
    """One line; why it failed or was skipped."""


class Facts(Record):
    """All that is known. A part that was not gathered is ``None`` (or empty); a check that needs it does not apply."""

    environment: Environment = msgspec.field(default_factory=Environment)
    target: Target = msgspec.field(default_factory=Target)
    tree: Tree | None = None
    graph: Graph | None = None
    reach: Reach | None = None
    weights: Weights | None = None
    probe: Probe | None = None
    experiments: Experiments | None = None
    profile: Profile | None = None
    run: Run | None = None
    """The watched training script; then ``probe`` holds what was observed in it, and no copy was trained."""
    breaks: list[Break] = []
    """Breakpoints that were hit, in their order."""
    pictures: Pictures | None = None
    source: list[SourceFile] = []
    failures: list[Failure] = []
    notes: list[str] = []
    """Things the reader should know about how the facts were got, one sentence each."""
