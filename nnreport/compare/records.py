"""What changed between two reports: records of plain data, as they stand in the JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from nnreport.facts import Number, Record
from nnreport.finding import SEVERITIES, Finding, Severity

SCHEMA = 1
"""Version of the comparison's JSON. 1: first."""


class Side(Record, omit_defaults=False):
    """One of the two reports, in a few words."""

    name: str = ""
    target: str = ""
    file: str = ""
    """Name of the JSON it was read from, without folders; empty for a report that was just made."""
    kind: str = "module"
    """``module`` or ``weights``."""
    time: str = ""
    """UTC, ISO 8601."""
    nnreport: str = ""
    torch: str = ""
    findings: int = 0
    modules: int = 0


class Setting(Record, omit_defaults=False):
    """Something of how the reports were made that differs: they are compared although it does."""

    name: str
    """``target``, ``input``, ``seed``, ``steps``, ``device``, ``torch`` …"""
    old: str
    new: str


class Quantity(Record, omit_defaults=False):
    """One number of both reports, and whether its difference means anything."""

    name: str
    """``parameters``, ``flops``, ``peak_memory``, ``step`` …"""
    label: str
    unit: Literal["count", "bytes", "flops", "seconds", "rate", "number", "text"]
    old: Number | str | None = None
    new: Number | str | None = None
    state: Literal["same", "noise", "changed", "incomparable", "unknown"] = "same"
    """noise: differs, but no more than two runs of one model do. incomparable: measured under different conditions.
    unknown: missing in one of the two, or in both."""
    reason: str = ""
    """Why it is not called a change, or what goes with it."""
    better: Literal["lower", "higher", ""] = ""

    @property
    def ratio(self) -> float | None:
        """New over old, where both are finite and the old one is positive."""
        if isinstance(self.old, int | float) and isinstance(self.new, int | float) and self.old > 0:
            return self.new / self.old
        return None


class LayerChange(Record, omit_defaults=False):
    """One module that is not what, or not where, it was."""

    kind: Literal["added", "removed", "retyped", "reshaped", "altered", "renamed", "renumbered"]
    """retyped: another class. reshaped: other parameter shapes. altered: other settings, dtype, frozen state. renamed: another
    path and nothing else. renumbered: another place in its container, because something before it came or went."""
    old: str | None = None
    """Path in the old model; None if added."""
    new: str | None = None
    """Path in the new model; None if removed."""
    old_cls: str = ""
    cls: str = ""
    changes: list[str] = []
    """In words: ``out_features 128 → 64``, ``frozen``."""
    old_parameters: int = 0
    """Elements it owns; of an added or removed one, with all that came or went inside it."""
    parameters: int = 0
    inside: int = 0
    """Modules that came or went inside it."""


class FindingChange(Record, omit_defaults=False):
    """What became of one finding."""

    state: Literal["new", "worse", "fixed", "still", "unchecked"]
    """worse: still there, more severe. unchecked: the check answered in only one of the two reports; nothing can be said."""
    old: Finding | None = None
    new: Finding | None = None
    index: int | None = None
    """Its place in the new report's ``findings``."""
    reason: str = ""
    """unchecked: why. Else a remark: ``the layer is gone``, ``now told as a consequence of …``."""

    @property
    def finding(self) -> Finding:
        """The new one, else the old one."""
        found = self.new or self.old
        assert found is not None
        return found


class Curve(Record, omit_defaults=False):
    """The loss over a probe's steps, thinned where it is long."""

    steps: list[int] = []
    losses: list[Number] = []


class Comparison(Record, omit_defaults=False):
    """All that changed from ``old`` to ``new``."""

    schema: int = SCHEMA
    kind: Literal["comparison"] = "comparison"
    old: Side = msgspec.field(default_factory=Side)
    new: Side = msgspec.field(default_factory=Side)
    settings: list[Setting] = []
    """What differs in how they were made; the reader is told that they are compared although it does."""
    findings: list[FindingChange] = []
    """New ones first, then worse, fixed, not checked, still there; within each, worst first."""
    unasked: list[str] = []
    """Checks that gave an answer in the old report and were not made in the new one (left out, or not measured)."""
    unasked_before: list[str] = []
    """The same the other way round."""
    quantities: list[Quantity] = []
    layers: list[LayerChange] = []
    """In the order of the new model; removed ones where they stood."""
    checkpoint: str = ""
    """Why a checkpoint of the old model does not load into the new one, in words; empty if it does (or that is not known)."""
    values: int | None = None
    """Parameters and buffers whose values differ though name, shape and seed are equal; None if that says nothing."""
    stages: list[str] = []
    """Stages that failed in one report only, a sentence each."""
    curves: list[Curve] = []
    """Old and new loss curve; empty unless both are there."""
    machine: float | None = None
    """How many times as long the unchanged layers took in the new report: the machine, not the model. None: not known."""

    def of(self, *states: str) -> list[FindingChange]:
        """The findings that became one of these."""
        return [each for each in self.findings if each.state in states]

    def quantity(self, name: str) -> Quantity | None:
        """The number of that name."""
        return next((each for each in self.quantities if each.name == name), None)

    @property
    def changed(self) -> bool:
        """Is anything other than it was, as far as the two can be compared?"""
        return bool(
            self.of("new", "worse", "fixed")
            or self.layers
            or self.checkpoint
            or self.values
            or self.stages
            or any(each.state == "changed" for each in self.quantities)
        )

    @property
    def worst_new(self) -> Severity | None:
        """Worst severity among the findings that are new or became worse."""
        found = {each.finding.severity for each in self.of("new", "worse")}
        return next((severity for severity in SEVERITIES if severity in found), None)

    def state_of(self, index: int) -> str:
        """What became of the new report's finding at this place; empty if it is not known."""
        return next((each.state for each in self.findings if each.index == index), "")
