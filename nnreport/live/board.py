"""What the live page shows: the parts of the report that can be drawn so far, drawn anew when there is something new."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection
from typing import Any

import msgspec

from nnreport.build import build_report
from nnreport.events import AnyEvent, DoneEvent, FactEvent, FailureEvent, ScriptEvent, StepEvent
from nnreport.render import html
from nnreport.report import Report
from nnreport.session import Collector

PARTS = {"head": "head.html.j2", "findings": "findings.html.j2", "training": "training.html.j2"}
"""Place in the page -> the template of the report that fills it."""
PART = '{% import "parts.html.j2" as parts %}{% include part %}'
PAUSE = 1.0
"""Seconds between two drawings, at least; a drawing that took longer is followed by ten times its own time."""
REST = 10.0


class Board:
    """Listens to the events of a run; :attr:`version` grows with every change worth sending.

    Args:
        collector: gathers the facts; it is only read.
        name: what runs, for the title.
        select: checks or groups to run.
        ignore: checks or groups to leave out.
    """

    def __init__(self, collector: Collector, name: str, select: Collection[str] = (), ignore: Collection[str] = ()) -> None:
        self.collector, self.name, self.select, self.ignore = collector, name, select, ignore
        self.changed = threading.Condition()
        self.version = 0
        self.drawn: dict[str, str] = {}
        self.line = "waiting for the first step"
        self.state = "running"
        self.stale = self.closing = False
        self.thread = threading.Thread(target=self.work, daemon=True, name="nnreport-board")
        self.thread.start()

    # ----------------------------------------------------------------------------------------------- the listener's part

    def event(self, event: AnyEvent) -> None:
        """An event arrived; called in the thread that reads them, which must not wait."""
        with self.changed:
            if isinstance(event, StepEvent):
                of = f" of {event.steps:,}" if event.steps else ""
                self.line = f"step {event.step:,}{of}"
            elif isinstance(event, ScriptEvent) and event.status is not None:
                self.line = f"the script has ended with status {event.status}; looking at its model"
            elif isinstance(event, FactEvent | FailureEvent):
                self.stale = True
            elif isinstance(event, DoneEvent):
                self.line, self.stale = "the run has ended", True
            else:
                return
            self.version += 1
            self.changed.notify_all()

    def output(self, line: str) -> None:
        """The script's output never comes this way."""

    # ------------------------------------------------------------------------------------------------- drawing, a thread

    def work(self) -> None:
        """Draws when something is new and the last drawing is long enough ago."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.stale or self.closing)
                if self.closing:
                    return
                self.stale = False
            start = time.monotonic()
            drawn = self.draw()
            with self.changed:
                self.drawn = drawn
                self.version += 1
                self.changed.notify_all()
                took = time.monotonic() - start
                self.changed.wait_for(lambda: self.closing, timeout=max(PAUSE, REST * took))

    def report(self) -> Report:
        """The report as far as it goes."""
        facts = msgspec.structs.replace(self.collector.facts)
        return build_report(facts, list(self.collector.stages.values()), select=self.select, ignore=self.ignore)

    def draw(self) -> dict[str, str]:
        """The parts as HTML; the page's own templates and escaping."""
        from nnreport.render.page import page

        try:
            values = page(self.report())
            template = html.environment().from_string(PART)
            return {place: template.render(values, part=name) for place, name in PARTS.items()}
        except Exception as fault:  # a state that cannot be drawn yet must not end the run, nor the page
            return {"head": f"<p>This state could not be drawn: {type(fault).__name__}.</p>"}

    def close(self, line: str) -> None:
        """The last state, in ``line`` what became of it; whoever follows is told that no more comes."""
        drawn = self.draw()
        with self.changed:
            self.drawn, self.line, self.state = drawn, line, "ended"
            self.closing = True
            self.version += 1
            self.changed.notify_all()
        self.thread.join(timeout=1)

    # ------------------------------------------------------------------------------------------------- the server's part

    def page(self) -> str:
        """The page that follows the run."""
        style, script = html.asset("report.css"), html.asset("live.js")
        rules = html.policy([style], [html.HEAD_SCRIPT, script]) + "; connect-src 'self'"
        values: dict[str, Any] = {
            "name": self.name,
            "style": style,
            "script": script,
            "head_script": html.HEAD_SCRIPT,
            "policy": rules,
            "places": list(PARTS),
        }
        return html.environment().get_template("live.html.j2").render(values)

    def message(self, known: dict[str, str]) -> str:
        """What a follower who has the parts ``known`` still lacks, as the data of one server-sent event; ``known`` is brought up
        to date."""
        fresh = {place: text for place, text in self.drawn.items() if known.get(place) != text}
        known.update(fresh)
        return json.dumps({"line": self.line, "state": self.state, "parts": fresh})
