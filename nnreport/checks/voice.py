"""How loud a check may speak: what rests on made-up data or a default loss is at most a warning, and says so."""

from __future__ import annotations

from nnreport.facts import Facts
from nnreport.finding import Severity


def own_data(facts: Facts) -> bool:
    """The probe's data were the user's."""
    return bool(facts.probe and facts.probe.data and facts.probe.data.user)


def own_loss(facts: Facts) -> bool:
    """The loss was given, or the model computes its own."""
    loss = facts.probe.loss if facts.probe else None
    return bool(loss and (loss.user or loss.source in ("given", "model")))


def stated_loss(facts: Facts) -> bool:
    """The loss was given, computed by the model, or named in the model's own file."""
    return own_loss(facts) or bool(facts.probe and facts.probe.loss and facts.probe.loss.source == "file")


def own_optimizer(facts: Facts) -> bool:
    """The optimizer was given, or named in the model's own file."""
    optimizer = facts.probe.optimizer if facts.probe else None
    return bool(optimizer and (optimizer.user or optimizer.source in ("given", "file")))


def spoken(facts: Facts, severity: Severity, *, data: bool = True, loss: bool = False, optimizer: bool = False) -> Severity:
    """The severity as it may be said: an error becomes a warning where what it rests on was not the user's.

    Args:
        data: the verdict rests on the data.
        loss: it rests on the loss.
        optimizer: it rests on the optimizer.
    """
    if severity != "error":
        return severity
    made_up = (data and not own_data(facts)) or (loss and not own_loss(facts)) or (optimizer and not own_optimizer(facts))
    return "warning" if made_up else "error"


def premise(facts: Facts, *, loss: bool = True, optimizer: bool = True) -> str:
    """What the probe made up, as a clause for a message: ``" (synthetic data, inferred loss)"``; empty where all was given."""
    if facts.probe is None:
        return ""
    parts = []
    if not own_data(facts):
        parts.append("synthetic data")
    if loss and not own_loss(facts):
        source = facts.probe.loss.source if facts.probe.loss else ""
        parts.append("loss as named in the file" if source == "file" else "inferred loss")
    if optimizer and not own_optimizer(facts):
        parts.append("default optimizer")
    return f" ({', '.join(parts)})" if parts else ""


def loss_severity(facts: Facts) -> Severity:
    """For a mismatch of output and loss: an error with the user's loss, a warning with one named in the file, else a note."""
    if own_loss(facts):
        return "error"
    return "warning" if stated_loss(facts) else "note"


def loss_phrase(facts: Facts) -> str:
    """Where the loss came from, as a clause: ``the given cross_entropy``."""
    loss = facts.probe.loss if facts.probe else None
    if loss is None:
        return "the loss"
    how = {"given": "the given", "file": "the file's own", "model": "the model's own", "inferred": "the inferred"}
    return f"{how.get(loss.source, 'the')} {loss.name or loss.kind}"
