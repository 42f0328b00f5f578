"""The report: facts and findings in one object that can be saved, loaded and drawn."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

import msgspec

from nnreport.compare.records import Comparison
from nnreport.facts import Facts, Record, Stage
from nnreport.finding import SEVERITIES, Finding, Outcome, Severity

if TYPE_CHECKING:
    from nnreport.render.figures import Figures

SCHEMA = 1
"""Version of the JSON. 1: first."""


class ModelSummary(Record, omit_defaults=False):
    """The few numbers that stand first; the JSON's ``model`` object."""

    name: str = ""
    target: str = ""
    cls: str = ""
    kind: str = "module"
    parameters: int | None = None
    trainable: int | None = None
    size: int | None = None
    """Bytes of parameters and buffers."""
    flops: int | None = None
    """Forward, for the given input."""
    flops_backward: int | None = None
    inputs: list[str] = []
    """``x: float32[1, 784]``"""
    output: str = ""


class Findings(list[Finding]):
    """A list of findings that is shown as a reader wants it: as on a terminal, and in a notebook as in the report."""

    def __repr__(self) -> str:
        from nnreport.render.terminal import listed

        return listed(self)

    def _repr_html_(self) -> str:
        from nnreport.render.notebook import listed

        return listed(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Findings: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Finding | Findings:
        return Findings(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)


class Report(Record, omit_defaults=False):
    """Facts and findings of one model."""

    schema: int = SCHEMA
    model: ModelSummary = msgspec.field(default_factory=ModelSummary)
    findings: list[Finding] = []
    """Worst first; within a severity in the order of the catalogue, then of execution."""
    stages: list[Stage] = []
    outcomes: list[Outcome] = []
    """One per check that exists, so that a page can say what was looked at and passed."""
    facts: Facts = msgspec.field(default_factory=Facts)
    title: str = ""
    author: str = ""
    course: str = ""
    comparison: Comparison | None = None
    """What changed since the report given with --baseline."""

    def __post_init__(self) -> None:
        if not isinstance(self.findings, Findings):
            self.findings = Findings(self.findings)

    def count(self, severity: Severity) -> int:
        """Number of findings of one severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def worst(self) -> Severity | None:
        """Worst severity present."""
        return next((severity for severity in SEVERITIES if self.count(severity)), None)

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the report; the suffix says what: ``.html .pdf .json .md .sarif``.

        Raises:
            UsageError: an unknown suffix, or something that the format needs is not installed.
        """
        from nnreport.render import save

        save(self, Path(path))

    @property
    def figures(self) -> Figures:
        """The pictures by name as matplotlib figures: ``report.figures["loss"].savefig("loss.pdf")``.

        Raises:
            UsageError: matplotlib is not installed (``pip install "nnreport[plot]"``).
        """
        from nnreport.render.figures import Figures

        return Figures(self)

    def _repr_html_(self) -> str:
        """The ten-second view, for a notebook."""
        from nnreport.render.notebook import fragment

        return fragment(self)

    @property
    def failed_stages(self) -> list[Stage]:
        """Stages that did not end as they should."""
        return [stage for stage in self.stages if stage.state in ("failed", "timeout", "killed")]
