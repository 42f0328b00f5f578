"""The stream between inspector and front: one JSON object a line, each a typed event.

Whoever can read this stream can draw a report: the command line, a live page, a notebook.
"""

from __future__ import annotations

import msgspec

from nnreport.facts import (
    Break,
    Environment,
    Experiments,
    Failure,
    Graph,
    Number,
    Pictures,
    Probe,
    Profile,
    Reach,
    Run,
    SourceFile,
    Stage,
    Target,
    Tree,
    Weights,
)


class Event(msgspec.Struct, tag_field="event", omit_defaults=True):
    """Base of all events."""


class StageEvent(Event, tag="stage"):
    """A stage began (state ``running``) or ended."""

    stage: Stage


class FactEvent(Event, tag="fact"):
    """One or more parts of the facts are there; those that are None say nothing."""

    environment: Environment | None = None
    target: Target | None = None
    tree: Tree | None = None
    graph: Graph | None = None
    reach: Reach | None = None
    weights: Weights | None = None
    probe: Probe | None = None
    experiments: Experiments | None = None
    profile: Profile | None = None
    run: Run | None = None
    pictures: Pictures | None = None
    source: list[SourceFile] | None = None


class FailureEvent(Event, tag="failure"):
    """The user's own code failed; the inspection goes on."""

    failure: Failure


class StepEvent(Event, tag="step"):
    """One probe step is done."""

    step: int
    steps: int
    loss: Number


class BreakEvent(Event, tag="break"):
    """A breakpoint was hit."""

    hit: Break


class NoteEvent(Event, tag="note"):
    """A sentence for the reader about how the facts were got."""

    text: str


class UsageEvent(Event, tag="usage"):
    """The target, input or an option cannot be used; one line says what and how to mend it. Nothing follows."""

    message: str


class FaultEvent(Event, tag="fault"):
    """A fault of nnreport itself in one stage, with its traceback (paths made relative)."""

    stage: str
    traceback: str


class ScriptEvent(Event, tag="script"):
    """The watched script began (``status`` is None), or ended with that exit status; what follows is the look at its model."""

    status: int | None = None


class DoneEvent(Event, tag="done"):
    """Everything was sent."""


AnyEvent = (
    StageEvent | FactEvent | FailureEvent | StepEvent | BreakEvent | NoteEvent | UsageEvent | FaultEvent | ScriptEvent | DoneEvent
)

encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(AnyEvent)
