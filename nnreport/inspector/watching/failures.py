"""The script's own exception, with the module it came from and the shapes it was given."""

from __future__ import annotations

from nnreport.facts import Failure
from nnreport.inspector.watching.watcher import Watcher

BACKWARD = ("backward", "_engine_run_backward")
"""Functions of torch that are on the traceback of a failing backward pass."""


def script_failure(error: BaseException, watcher: Watcher) -> Failure:
    """The record; the phase is told from what the watch was in the middle of."""
    from nnreport.inspector.blame import training_failure
    from nnreport.inspector.tracing.hints import hint_for
    from nnreport.inspector.watching.gather import main_index

    functions = functions_of(error)
    phase = "forward"
    if functions & set(BACKWARD):
        phase = "backward"
    elif "step" in functions and any(w.steps or w.attempts for w in watcher.optimizers):
        phase = "optimizer"
    latest = watcher.latest
    root = watcher.models[main_index(watcher)].watch.root() if watcher.models else None
    given = latest[1].arguments if latest is not None else None
    failure = training_failure(error, phase, root, given, hint_for(error, phase))  # type: ignore[arg-type]
    if phase == "forward" and failure.module is None:
        failure.phase = "loss" if watcher.calls or (latest is not None and "loss" in functions) else "script"
    if failure.phase == "script":
        failure.inputs = []  # the last forward has nothing to do with it
    return failure


def functions_of(error: BaseException) -> set[str]:
    """Names of the functions on the traceback."""
    names, trace = set(), error.__traceback__
    while trace is not None:
        names.add(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names
