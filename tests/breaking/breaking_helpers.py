"""Runs a small script under breakpoints in this process, without a terminal, and gives what was hit."""

from __future__ import annotations

import gc
import textwrap

from nnreport.breakspec import parse_breaks
from nnreport.events import BreakEvent, NoteEvent
from nnreport.facts import Break
from nnreport.inspector.breaking.breakpoints import Breakpoints
from nnreport.inspector.watching.watcher import Watcher

HEAD = """\
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
"""
LINES = HEAD.count("\n")


def stops(tmp_path, code, *whats, judge=None, error=False) -> tuple[list[Break], list[str]]:
    """(what was hit, notes at the end); line 1 of ``code`` is line 1 below :data:`HEAD`."""
    path = tmp_path / "script.py"
    path.write_text(HEAD + textwrap.dedent(code))
    events: list = []
    gc.freeze()  # models of other tests are none of this script's, and the search for its own is quick
    watcher = Watcher().install()
    breakpoints = Breakpoints(parse_breaks(whats), watcher, events.append, judge, terminal=False).install()
    try:
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "script"})
    except Exception as raised:
        if not error:
            raise
        breakpoints.failed(raised)
    finally:
        breakpoints.release()
        watcher.release()
        gc.unfreeze()
    assert not watcher.own.faults, watcher.own.faults[0]
    return [e.hit for e in events if isinstance(e, BreakEvent)], [e.text for e in events if isinstance(e, NoteEvent)]


def line_of(hit: Break) -> int:
    """In the code that was given to :func:`stops`."""
    assert hit.location is not None
    return hit.location.line - LINES
