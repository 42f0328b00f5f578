"""Which finding is which: new, worse, fixed, still there, or not to be told.

A finding is the same as one before if it comes from the same check at the same module (under the module's new name, where it was
renamed) and the same kind of place. Numbers in its message and line numbers say nothing; several of one check at one module are
matched one to one, the most alike first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable

from nnreport.checks.registry import find
from nnreport.compare.forest import Forest
from nnreport.compare.records import FindingChange
from nnreport.facts import Facts
from nnreport.finding import SEVERITIES, Finding, Outcome
from nnreport.report import Report

ORDER = ("new", "worse", "fixed", "unchecked", "still")
FAILED = ("data", "loss", "optimizer")
"""Failures that only the training of the copy can show."""

WANDERING = frozenset(
    {
        "activation-explosion",
        "collapsed-features",
        "exploding-gradient",
        "hot-layer",
        "logit-collapse",
        "non-finite",
        "update-too-large",
        "update-too-small",
        "vanishing-gradient",
        "vanishing-signal",
    }
)
"""Checks of the whole model that name the layer where it is worst, or seen first: another seed names another layer."""

TIMED = "profile"
"""What a check needs that judges measured times: near its limit it finds something in one run and nothing in the next."""


class Places:
    """Old modules under their new names, and which modules are other than they were."""

    def __init__(self, old: Forest, new: Forest, pairs: dict[str, str], touched: Iterable[str]) -> None:
        self.old, self.new, self.pairs = old, new, pairs
        self.touched = set(touched)
        """New paths of modules that were added or changed."""

    def moved(self, path: str | None) -> str | None:
        """The new name of an old path; of an attribute that is no module (a list), through what holds it."""
        if path is None or path in self.pairs:
            return self.pairs.get(path) if path is not None else None
        head, tail = path, ""
        while head and head not in self.pairs:
            head, _, last = head.rpartition(".")
            tail = f"{last}.{tail}" if tail else last
        return f"{self.pairs.get(head, head)}.{tail}".lstrip(".")

    def gone(self, finding: Finding) -> bool:
        """Was the module of an old finding removed?"""
        return bool(finding.module) and finding.module in self.old.modules and finding.module not in self.pairs

    def new_or_changed(self, finding: Finding) -> bool:
        """Is a new finding about something that was added or changed? One about the whole model is, if anything was."""
        paths = [path for path in (finding.module, *finding.modules) if path]
        return any(path in self.touched for path in paths) if paths else bool(self.touched)

    def old_changed(self, finding: Finding) -> bool:
        """Is an old finding about something that was removed or changed since?"""
        paths = [path for path in (finding.module, *finding.modules) if path]
        return any(path not in self.pairs or self.pairs[path] in self.touched for path in paths) if paths else bool(self.touched)


def finding_changes(old: Report, new: Report, places: Places) -> list[FindingChange]:
    """What became of every finding of both reports."""
    before, after = list(enumerate(old.findings)), list(enumerate(new.findings))
    made: list[FindingChange] = []
    for key in keys(places):
        for (_, a), (index, b) in pair_up(before, after, key):
            worse = SEVERITIES.index(b.severity) < SEVERITIES.index(a.severity)
            made.append(FindingChange(state="worse" if worse else "still", old=a, new=b, index=index))
    told_now, told_before = folded(new), folded(old)
    for _, finding in before:
        made.append(vanished(finding, old, new, places, told_now))
    for index, finding in after:
        made.append(appeared(finding, index, old, new, places, told_before))
    return sorted(made, key=lambda each: (ORDER.index(each.state), SEVERITIES.index(each.finding.severity), each.index or 0))


Key = Callable[[Finding, bool], Hashable]
"""Of a finding, and whether it is an old one: equal keys are one finding; None: this key says nothing of it."""


def keys(places: Places) -> list[Key]:
    """The strictest first: what is alike in all is paired before what is alike in little."""

    def module(finding: Finding, was: bool) -> str | None:
        return places.moved(finding.module) if was else finding.module

    def place(finding: Finding) -> tuple[str, str]:
        return (finding.location.path, finding.location.text) if finding.location else ("", "")

    def function(finding: Finding) -> str:
        return finding.location.function.rpartition(".")[2] if finding.location else ""

    def set_of(finding: Finding, was: bool) -> frozenset[str] | None:
        if len(finding.modules) < 2:
            return None
        return frozenset((places.moved(path) or path) if was else path for path in finding.modules)

    return [
        lambda f, was: (f.check, module(f, was), place(f), set_of(f, was)),
        lambda f, was: (f.check, module(f, was), place(f)),
        lambda f, was: (f.check, module(f, was), function(f)) if f.location else None,
        lambda f, was: (f.check, module(f, was)) if f.module is not None and not (was and places.gone(f)) else None,
        lambda f, was: (f.check, f.location.path) if f.module is None and f.location and not f.location.function else None,
        lambda f, was: f.check if f.check in WANDERING else None,
    ]


def pair_up(
    before: list[tuple[int, Finding]], after: list[tuple[int, Finding]], key: Key
) -> list[tuple[tuple[int, Finding], tuple[int, Finding]]]:
    """Takes those with equal keys out of both lists, in their order, and gives the pairs."""
    waiting: dict[Hashable, list[tuple[int, Finding]]] = {}
    for entry in after:
        if (name := key(entry[1], False)) is not None:
            waiting.setdefault(name, []).append(entry)
    pairs = []
    for entry in list(before):
        found = waiting.get(key(entry[1], True))
        if found:
            other = found.pop(0)
            pairs.append((entry, other))
            before.remove(entry)
            after.remove(other)
    return pairs


def folded(report: Report) -> Counter[str]:
    """Check -> how often it is told as a consequence of another finding."""
    return Counter(line.partition(":")[0] for finding in report.findings for line in finding.consequences)


def vanished(finding: Finding, old: Report, new: Report, places: Places, told: Counter[str]) -> FindingChange:
    """A finding that the new report does not have."""
    made = FindingChange(state="fixed", old=finding)
    if told[finding.check] > 0:
        told[finding.check] -= 1
        cause = next((each for each in new.findings if names(finding.check, each)), None)
        made.state, made.reason = "still", f"now told as a consequence of {cause.check if cause else 'another finding'}"
    elif why := unanswered(finding, new, places.old_changed(finding), "this time"):
        made.state, made.reason = "unchecked", why
    elif places.gone(finding):
        made.reason = "its layer is gone"
    return made


def appeared(finding: Finding, index: int, old: Report, new: Report, places: Places, told: Counter[str]) -> FindingChange:
    """A finding that the old report does not have."""
    made = FindingChange(state="new", new=finding, index=index)
    if told[finding.check] > 0:
        told[finding.check] -= 1
        cause = next((each for each in old.findings if names(finding.check, each)), None)
        made.state, made.reason = "still", f"was told as a consequence of {cause.check if cause else 'another finding'} before"
    elif why := unanswered(finding, old, places.new_or_changed(finding), "before"):
        made.state, made.reason = "unchecked", why
    return made


def names(check: str, finding: Finding) -> bool:
    """Does this finding tell of that check as a consequence?"""
    return any(line.partition(":")[0] == check for line in finding.consequences)


def unanswered(finding: Finding, other: Report, touched: bool, when: str) -> str:
    """Why the report that lacks a finding says nothing about it; empty if its silence means that it is not there.

    A check that did not apply for want of a measurement says nothing. One whose question did not arise (no ReLU in the model)
    does, but only if the finding's own layer was changed: then that is what made the difference.
    """
    outcome = next((each for each in other.outcomes if each.check == finding.check), None)
    if outcome is None:
        return f"the check was not there {when}"
    if outcome.state == "ignored":
        return f"not checked {when}: left out by --select or --ignore"
    if outcome.state == "failed":
        return f"not checked {when}: the check itself failed"
    needs = set(known.needs) if (known := find(finding.check)) else set()
    if outcome.state == "not-applicable":
        return silent(outcome, needs, other, touched, when)
    if TIMED in needs and not touched:
        return f"found nothing {when}; it rests on measured times, and its layer is as it was"
    return "" if needs == {"source"} else cut_short(other, needs, when)


def silent(outcome: Outcome, needs: set[str], other: Report, touched: bool, when: str) -> str:
    """A check that did not apply: why that says nothing, else the empty string."""
    missing = [need for need in sorted(needs) if not getattr(other.facts, need, None)]
    if missing == ["failures"]:  # nothing failed: that is the answer, if what could fail was tried
        return cut_short(other, needs, when) or untried(outcome, other.facts, when)
    if not missing and needs and touched and not cut_short(other, needs, when):
        return ""
    return f"not checked {when}: {outcome.reason or 'it did not apply'}"


def untried(outcome: Outcome, facts: Facts, when: str) -> str:
    """A failure of the training cannot show where nothing was trained."""
    if outcome.check.startswith(FAILED) and (facts.probe is None or not facts.probe.done):
        return f"not checked {when}: nothing was trained"
    return ""


def cut_short(other: Report, needs: set[str], when: str) -> str:
    """Why a report may have missed something that its checks would have found; empty if it is whole."""
    if stage := next(iter(other.failed_stages), None):
        words = {"timeout": "timed out", "killed": "was killed"}
        return f"not checked {when}: the stage {stage.name} {words.get(stage.state, stage.state)}"
    if failure := next((each for each in other.facts.failures if each.phase in ("construct", "forward")), None):
        return f"not checked {when}: the {'constructor' if failure.phase == 'construct' else 'forward'} failed"
    if other.facts.graph is not None and not other.facts.graph.complete:
        return f"not checked {when}: the forward was not recorded whole"
    return ""


def unasked(asked: Report, other: Report) -> list[str]:
    """Checks that gave an answer in ``asked`` and were not made in ``other``: left out, broken, or for want of a measurement.
    One whose question merely did not arise was made."""
    outcomes = {outcome.check: outcome for outcome in other.outcomes}
    found = []
    for outcome in asked.outcomes:
        if outcome.state not in ("passed", "found"):
            continue
        twin = outcomes.get(outcome.check)
        needs = set(known.needs) if (known := find(outcome.check)) else set()
        missing = [need for need in needs - {"failures"} if not getattr(other.facts, need, None)]
        if twin is None or twin.state in ("ignored", "failed") or (twin.state == "not-applicable" and missing):
            found.append(outcome.check)
    return found
